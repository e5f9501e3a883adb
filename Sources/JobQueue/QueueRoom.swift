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
        /// It is sent, and counted.
        case count
        /// It is sent: there is room without counting.
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

    /// Says what is to be done about a job, and notes in the same moment that it is sent, unless it is refused: another one
    /// would find the same room otherwise.
    func enter(_ job: NewJob) -> Answer {
        tenants.withLock { tenants in
            let answer = Self.answer(job, tenants[job.tenant])
            if case .refuse = answer { return answer }
            if tenants.count >= Self.mostTenants, tenants[job.tenant] == nil {
                tenants = tenants.filter { $0.value.sent > $0.value.answered }
            }
            tenants[job.tenant, default: Tenant()].sent += 1
            return answer
        }
    }

    /// Notes that a job that was sent is answered.
    func leave(_ tenant: TenantID) {
        tenants.withLock { $0[tenant]?.answered += 1 }
    }

    private static func answer(_ job: NewJob, _ tenant: Tenant?) -> Answer {
        // A key may have a job already, which is no matter of room.
        guard job.idempotency == nil, let most = job.bounds.maxQueued, most > exactly, let tenant,
            let count = tenant.count
        else { return .count }
        let age = count.began.duration(to: .now)
        if count.waiting >= most, age < fullLasts {
            return .refuse(QueueRefusal(kind: .queued, limit: Double(most), inUse: Double(count.waiting)))
        }
        return age < roomLasts && count.waiting + tenant.sent - count.answered < most ? .accept : .count
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
