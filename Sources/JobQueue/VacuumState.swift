import Database

/// What vacuum has left in the hot tables, and what holds it back.
public struct VacuumState: Sendable {
    /// By the table's name.
    public let deadTuples: [(table: String, count: Int64)]
    /// How old the oldest transaction is whose snapshot keeps dead rows, as far as the database lets us see; zero where
    /// there is none.
    public let oldestSnapshot: Duration
}

extension JobQueue {
    /// Looks at the statistics of a handful of tables and at the server's sessions; given up after two seconds.
    public func vacuumState() async throws -> VacuumState {
        let rows = try await database.system.execute(SystemStatements.vacuumState, limit: .seconds(2))
            .map { try $0.decode(String.self, Int64.self, Double.self) }
        return VacuumState(
            deadTuples: rows.map { (table: $0.0, count: $0.1) }, oldestSnapshot: .seconds(max(0, rows.first?.2 ?? 0)))
    }
}
