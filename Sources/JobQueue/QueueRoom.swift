import Core
import Synchronization

/// How many jobs of a tenant waited when that was last counted, so that a deep queue is not counted for every job that is to
/// join it. A bound of up to ``exactly`` is counted every time; what other processes accept meanwhile is not known here.
final class QueueRoom: Sendable {
    private struct Tenant {
        /// Sent to the database by this process, and answered by it.
        var sent: Int64 = 0
        var answered: Int64 = 0
        var count: Count?
    }

    private struct Count {
        var waiting: Int64
        /// Answered when the count began. All that was sent besides may not be in it.
        var answered: Int64
        var began: ContinuousClock.Instant
    }

    /// A count that is about to be made.
    struct Beginning: Sendable {
        fileprivate var answered: [TenantID: Int64]
        fileprivate var began: ContinuousClock.Instant
    }

    /// What is to be done about a job.
    enum Answer {
        case count
        /// There is room without counting.
        case accept
        case refuse(QueueRefusal)
    }

    /// To count no more rows than these costs nothing to speak of.
    private static let exactly: Int64 = 1000
    /// For so long there is room where a count has found it.
    private static let roomLasts = Duration.seconds(1)
    /// And so long a queue is full: jobs begin meanwhile.
    private static let fullLasts = Duration.milliseconds(50)
    private static let mostTenants = 10_000

    private let tenants = Mutex<[TenantID: Tenant]>([:])

    func answer(_ job: NewJob) -> Answer {
        guard let most = job.bounds.maxQueued, most > Self.exactly else { return .count }
        return tenants.withLock { tenants in
            guard let tenant = tenants[job.tenant], let count = tenant.count else { return .count }
            let age = count.began.duration(to: .now)
            if count.waiting >= most, age < Self.fullLasts {
                return .refuse(QueueRefusal(kind: .queued, limit: Double(most), inUse: Double(count.waiting)))
            }
            return age < Self.roomLasts && count.waiting + tenant.sent - count.answered < most ? .accept : .count
        }
    }

    /// Notes that a job is on its way, until `body` returns.
    func whileSent<T: Sendable>(_ tenant: TenantID, _ body: () async throws -> T) async throws -> T {
        tenants.withLock { tenants in
            if tenants.count >= Self.mostTenants, tenants[tenant] == nil {
                tenants = tenants.filter { $0.value.sent > $0.value.answered }
            }
            tenants[tenant, default: Tenant()].sent += 1
        }
        defer { tenants.withLock { $0[tenant]?.answered += 1 } }
        return try await body()
    }

    /// - Parameter jobs: which are sent now.
    func begin(_ jobs: [NewJob]) -> Beginning {
        let ids = Set(jobs.map(\.tenant))
        let answered = tenants.withLock { tenants in
            Dictionary(uniqueKeysWithValues: ids.map { ($0, tenants[$0]?.answered ?? 0) })
        }
        return Beginning(answered: answered, began: .now)
    }

    /// - Parameter waiting: how many waited before the batch.
    func counted(_ tenant: TenantID, waiting: Int64, _ beginning: Beginning) {
        guard let answered = beginning.answered[tenant] else { return }
        tenants.withLock { tenants in
            // Batches may end in another order than they began.
            if let count = tenants[tenant]?.count, count.began > beginning.began { return }
            tenants[tenant]?.count = Count(waiting: waiting, answered: answered, began: beginning.began)
        }
    }
}
