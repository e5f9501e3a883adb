import Core
import Database

/// Looks whether the queue's invariants hold (design.md §4). Changes nothing. Each look is one statement, hence one moment:
/// it may be taken while the installation works.
public struct QueueAudit: Sendable {
    /// One invariant, and what breaks it.
    public struct Finding: Sendable {
        /// A short name for machines.
        public let name: String
        /// What must hold.
        public let rule: String
        /// How many rows break it; 0 where it holds.
        public let count: Int
        /// Some of the jobs that break it.
        public let jobs: [JobID]
    }

    private let database: Database

    public init(database: Database) {
        self.database = database
    }

    private static let rules: [(name: String, rule: String, statement: Statement)] = [
        (
            "one_place", "each accepted job waits, runs or has one result, and no two of these",
            SystemStatements.auditPlaces
        ),
        (
            "no_orphans", "what waits, runs, ended or was logged belongs to an accepted job",
            SystemStatements.auditOrphans
        ),
        ("one_tenant", "all rows of a job belong to the tenant of the job", SystemStatements.auditTenants),
        ("attempts", "the attempts of a job are counted without gaps", SystemStatements.auditAttempts),
        ("usage", "the usage that is kept of a day is the sum of its finished attempts", SystemStatements.auditUsage),
        ("idempotency", "an idempotency key names a job of its own tenant", SystemStatements.auditKeys),
    ]

    /// Checks every rule, which reads the whole queue.
    /// - Parameter progress: gets the text of each rule before it is checked.
    /// - Throws: `DatabaseError`.
    public func findings(progress: (String) -> Void = { _ in }) async throws -> [Finding] {
        var findings: [Finding] = []
        for (name, rule, statement) in Self.rules {
            progress(rule)
            let ids = try await database.system.read(limit: .seconds(3600)) { sql in
                try sql.query(statement).map { try $0.decode(JobID.self) }
            }
            findings.append(
                Finding(name: name, rule: rule, count: ids.count, jobs: Array(Set(ids).sorted().prefix(10))))
        }
        return findings
    }
}
