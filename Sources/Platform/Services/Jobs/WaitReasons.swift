import Catalog
import Core
import JobQueue

/// Why jobs wait although workers may be free: what the tenant demands and no worker gives, and what its quotas or its
/// services bound. Whoever only waits its turn has no reason.
public struct WaitReasons: Sendable {
    private let queue: JobQueue
    private let tenant: TenantSnapshot

    /// - Parameter tenant: whose jobs they are.
    public init(_ queue: JobQueue, _ tenant: TenantSnapshot) {
        self.queue = queue
        self.tenant = tenant
    }

    /// The reason of a job; nil where it has none.
    /// - Throws: `DatabaseError`.
    public func reason(of record: JobRecord) async throws -> JSONText? {
        try await reasons(of: [record])[record.id]
    }

    /// The reasons of those jobs that have one. The workers are looked at once, and only where something is demanded.
    /// - Throws: `DatabaseError`.
    func reasons(of records: [JobRecord]) async throws -> [JobID: JSONText] {
        // Only those that wait for a worker have one.
        let waiting = records.filter { $0.minTier != nil }
        var reasons = try await queue.standings(of: waiting.map(\.id), of: tenant.id).compactMapValues(Self.json)
        let demands = waiting.compactMap { record in demand(of: record).map { (record.id, $0) } }
        guard !demands.isEmpty else { return reasons }
        let workers = try await queue.workers()
        for (id, demand) in demands where workers.allSatisfy({ $0.tier < demand }) {
            reasons[id] = Self.json(demand, workers)
        }
        return reasons
    }

    /// What it was accepted with counts, and what is demanded now.
    private func demand(of record: JobRecord) -> SandboxTier? {
        guard let accepted = record.minTier else { return nil }
        let demand = max(accepted, tenant.quotas.minTier ?? .none)
        return demand > .none ? demand : nil
    }

    /// Nil where nothing of the tenant's own keeps the job.
    private static func json(_ standing: QueueStanding) -> JSONText? {
        let before = standing.position == QueueStanding.most ? "\(standing.position) or more" : "\(standing.position)"
        if standing.isSuspended {
            return .object([
                ("policy", .string("suspended")), ("position", .integer(standing.position)),
                ("message", .string("The tenant is suspended. Its jobs begin when the operator resumes it.")),
            ])
        }
        let (limit, running, whose): (Int, Int, String)
        if let cap = standing.serviceLimit, let count = standing.serviceRunning, count >= cap {
            (limit, running, whose) = (cap, count, "of its service")
        } else if standing.running >= standing.limit {
            (limit, running, whose) = (standing.limit, standing.running, "of its tenant")
        } else {
            return nil
        }
        return .object([
            ("policy", .string("max_concurrent")), ("limit", .integer(limit)), ("in_use", .integer(running)),
            ("position", .integer(standing.position)),
            (
                "message",
                .string(
                    "The job waits until fewer than \(limit) jobs \(whose) run (max_concurrent);"
                        + " \(running) run now, and \(before) are before it.")
            ),
        ])
    }

    private static func json(_ demand: SandboxTier, _ workers: [LivingWorker]) -> JSONText {
        let counts = SandboxTier.allCases.reversed().compactMap { tier in
            let count = workers.count { $0.tier == tier }
            return count > 0 ? (tier.rawValue, count) : nil
        }
        let there = counts.map { "\($0.1) of tier \($0.0)" }.joined(separator: ", ")
        return .object([
            ("policy", .string("min_tier")),
            ("min_tier", .string(demand.rawValue)),
            ("workers", .object(counts.map { ($0.0, .integer($0.1)) })),
            (
                "message",
                .string(
                    "The job waits for a worker whose sandbox has tier \(demand.rawValue) at least (min_tier). Workers"
                        + " that live: \(there.isEmpty ? "none" : there).")
            ),
        ])
    }
}
