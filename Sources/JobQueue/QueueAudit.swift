import Core
import Database

/// Looks whether the queue's invariants hold (design.md §4). Looking changes nothing. Each look is one statement, hence one moment:
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

    /// What must hold; the raw values are the names for machines.
    enum Rule: String, CaseIterable {
        case place = "one_place"
        case orphans = "no_orphans"
        case tenants = "one_tenant"
        case attempts
        case usage
        case idempotency
        case inFlight = "in_flight"
        case parked
        case caps

        var text: String {
            switch self {
            case .place: "each accepted job waits, runs or has one result, and no two of these"
            case .orphans: "what waits, runs, ended or was logged belongs to an accepted job"
            case .tenants: "all rows of a job belong to the tenant of the job"
            case .attempts: "the attempts of a job are counted without gaps"
            case .usage: "the usage that is kept of a day is the sum of its finished attempts"
            case .idempotency: "an idempotency key names a job of its own tenant"
            case .inFlight: "a lane counts the runs of its tenant, and a capped service its own"
            case .parked: "no job waits behind a lane that says that nothing does"
            case .caps: "at no recorded moment did more jobs of a tenant or of a service begin than its cap let in"
            }
        }
    }

    /// Counts anew what lanes say of their runs and of what waits. No job is changed.
    /// - Returns: how many lanes were put right.
    /// - Throws: `DatabaseError`.
    public func repair() async throws -> Int {
        let rows = try await database.system.execute(SystemStatements.tendLanes, [true], limit: .seconds(600))
        return Int(try rows.first?.decode(Int32.self) ?? 0)
    }

    /// Checks every rule, which reads the whole queue.
    /// - Parameter progress: gets the text of each rule before it is checked.
    /// - Throws: `DatabaseError`.
    public func findings(progress: (String) -> Void = { _ in }) async throws -> [Finding] {
        var findings: [Finding] = []
        for rule in Rule.allCases {
            progress(rule.text)
            let ids = try await database.system.read(limit: .seconds(3600)) { sql in
                try sql.query(SystemStatements.audit(rule)).map { try $0.decode(JobID.self) }
            }
            findings.append(
                Finding(
                    name: rule.rawValue, rule: rule.text, count: ids.count, jobs: Array(Set(ids).sorted().prefix(10))))
        }
        return findings
    }
}
