import Database
import TestSupport
import Testing

@Suite struct PoolTests {
    private static let work = Statement("pool_work", "select pg_backend_pid(), pg_sleep($1)::text")

    @Test("What comes one after the other stays with the connections that were at work last")
    func fewConnections() async throws {
        let connections = 16
        let database = try await openDatabase(connections: connections)
        // All of them are open, and have had work.
        try await eventually("every connection has had work") {
            let pids = try await withThrowingTaskGroup(of: Int32.self) { group in
                for _ in 0..<connections { group.addTask { try await Self.pid(database, sleep: 0.2) } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            return pids.count == connections
        }
        var used: Set<Int32> = []
        for _ in 0..<100 { used.insert(try await Self.pid(database, sleep: 0)) }
        // In turns it would be each of them.
        #expect(used.count < connections)
        await database.close()
    }

    private static func pid(_ database: Database, sleep: Double) async throws -> Int32 {
        let rows = try await database.system.execute(work, [sleep])
        return try #require(try rows.first?.decode(Int32.self, String.self).0)
    }
}
