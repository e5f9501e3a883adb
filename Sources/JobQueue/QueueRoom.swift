import Core
import Synchronization

/// How many jobs of a tenant waited when that was last counted, so that a deep queue is not counted for every job that is to
/// join it. A bound of up to ``exactly`` is counted every time.
final class QueueRoom: Sendable {
    private struct Count {
        var waiting: Int64
        /// Accepted here since.
        var added: Int64 = 0
        var taken: ContinuousClock.Instant
    }

    /// What is to be done about a job.
    enum Answer {
        case count
        /// There is room without counting.
        case accept
        case refuse(QueueRefusal)
    }

    /// To count no more rows than these costs nothing to speak of.
    static let exactly: Int64 = 1000
    /// For so long a count holds of a queue that is not half full: nobody fills the other half meanwhile.
    private static let longest = Duration.seconds(1)
    /// And so long of one that is fuller.
    private static let shortest = Duration.milliseconds(50)
    private static let mostTenants = 10_000

    private let counts = Mutex<[TenantID: Count]>([:])
    /// On their way to the database.
    private let pending = Mutex<[TenantID: Int64]>([:])
    private let now: @Sendable () -> ContinuousClock.Instant

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.now = now
    }

    func answer(_ job: NewJob) -> Answer {
        guard let most = job.bounds.maxQueued, most > Self.exactly else { return .count }
        let now = now()
        return counts.withLock { counts in
            guard let count = counts[job.tenant] else { return .count }
            let present = count.waiting + count.added
            guard count.taken.duration(to: now) < (present < most / 2 ? Self.longest : Self.shortest) else {
                return .count
            }
            guard present < most else {
                return .refuse(QueueRefusal(kind: .queued, limit: Double(most), inUse: Double(present)))
            }
            guard present + pending.withLock({ $0[job.tenant] ?? 0 }) < most else { return .count }
            counts[job.tenant]?.added += 1
            return .accept
        }
    }

    /// Notes that a job is on its way, until `body` returns.
    func whilePending<T: Sendable>(_ tenant: TenantID, _ body: () async throws -> T) async throws -> T {
        pending.withLock { $0[tenant, default: 0] += 1 }
        defer {
            pending.withLock { pending in
                let left = (pending[tenant] ?? 1) - 1
                pending[tenant] = left > 0 ? left : nil
            }
        }
        return try await body()
    }

    /// - Parameter waiting: how many waited before the batch, of which `added` were accepted.
    func counted(_ tenant: TenantID, waiting: Int64, added: Int64) {
        let now = now()
        counts.withLock { counts in
            if counts.count >= Self.mostTenants, counts[tenant] == nil { counts = [:] }
            counts[tenant] = Count(waiting: waiting, added: added, taken: now)
        }
    }
}
