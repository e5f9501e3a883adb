import Core
import Database
import JobQueue
import ServiceLifecycle

/// A queue on a database of its own, as an installation has it, with tenants.
struct QueueStand: Sendable {
    let url: String
    let database: Database
    let queue: JobQueue
    let waiters: JobWaiters

    /// Lends one while its services run.
    /// - Parameter isQuiet: whether they do not run: then nothing is done but what is asked for.
    static func with<T: Sendable>(
        _ url: String, connections: Int = 8, isQuiet: Bool = false,
        _ body: @escaping @Sendable (QueueStand) async throws -> T
    ) async throws -> T {
        let options = DatabaseOptions(
            url: url, connections: connections, applicationName: "bench", answerLimit: .seconds(60))
        let database = Database(options, logger: BenchPostgres.quiet)
        let listener = Listener(options, logger: BenchPostgres.quiet)
        let queue = JobQueue(database: database, listener: listener, logger: BenchPostgres.quiet)
        let upkeep = QueueUpkeep(queue: queue, logger: BenchPostgres.quiet)
        return try await cleaning(database.close) {
            let waiters = try await queue.makeWaiters(logger: BenchPostgres.quiet)
            let stand = QueueStand(url: url, database: database, queue: queue, waiters: waiters)
            let services: [any Service] = isQuiet ? [] : [listener, queue, waiters, upkeep]
            return try await whileRunning(services.map { service in { try await service.run() } }) {
                try await body(stand)
            }
        }
    }

    /// Makes tenants with these quotas.
    /// - Returns: their numbers, which follow each other.
    func makeTenants(_ count: Int, quotas: JSONText) async throws -> ClosedRange<Int64> {
        let ids = try await database.system.transaction(limit: .seconds(60)) { sql in
            try sql.query(SystemStatements.tenants, Int64(count), quotas.text).map { try $0.decode(Int64.self) }
        }
        guard let first = ids.min(), let last = ids.max(), last - first + 1 == Int64(count) else {
            throw BenchFailure(description: "the tenants were not made")
        }
        return first...last
    }

    /// Gives a range of tenants other quotas.
    func setQuotas(_ quotas: JSONText, of tenants: ClosedRange<Int64>) async throws {
        _ = try await database.system.transaction(limit: .seconds(60)) { sql in
            try sql.execute(SystemStatements.quotas, tenants.lowerBound, tenants.upperBound, quotas.text)
        }
    }

    /// How many jobs a statement writes.
    private static let part = 5000

    /// Writes so many jobs for each of a range of tenants, one's after the other's, as an ingress would write them. Nobody
    /// waits for them.
    func fill(
        _ tenants: ClosedRange<Int64>, each: Int, _ payload: BenchPayload, _ say: (String) -> Void = { _ in }
    ) async throws {
        let all = tenants.count * each
        let clock = ContinuousClock()
        var told = clock.now
        let statement = SystemStatements.fill(
            try StatementFilling.fill(
                JobQueue.Texts.enqueue,
                StatementFilling.enqueued(
                    count: "$1::integer", tenant: "$2::bigint + ($3::bigint + g - 1) / \(each)",
                    payload: payload.literal)))
        for start in stride(from: 0, to: all, by: Self.part) {
            let count = min(Self.part, all - start)
            _ = try await database.system.execute(
                // As SystemStatements.fill makes it.
                statement, [Int32(count), tenants.lowerBound, Int64(start)], limit: .seconds(600))
            if clock.now > told + .seconds(5) {
                told = clock.now
                say("\(start + count) of \(all) jobs written")
            }
        }
    }

    /// How many bytes the server has logged since its beginning.
    func logPosition() async throws -> Int64 {
        try await database.system.execute(SystemStatements.position).first?.decode(Int64.self) ?? 0
    }
}

/// Runs `body` beside what lasts as long as it; what ends by an error ends both.
func whileRunning<T: Sendable>(
    _ others: [@Sendable () async throws -> Void], _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T?.self) { group in
        for other in others {
            group.addTask {
                try await other()
                return nil
            }
        }
        group.addTask { try await body() }
        var result: T?
        do {
            while result == nil, let ended = try await group.next() { result = ended }
        } catch {
            group.cancelAll()
            while await group.nextResult() != nil {}
            throw error
        }
        group.cancelAll()
        // They are told to end; how does not matter any more.
        while await group.nextResult() != nil {}
        guard let result else { throw CancellationError() }
        return result
    }
}
