import Core
import Synchronization

/// Runs that this process has ended, and whose room in their lanes the next claim makes: that needs no disk, and so holds
/// nobody up. One that gets lost leaves a lane too full until it is counted anew, for some seconds or, where the lane is busy
/// all the time, for half a minute; and never too empty.
final class EndedRuns: Sendable {
    private struct Key: Hashable {
        let tenant: Int64
        /// 0 where no cap but the tenant's counts the run.
        let service: Int64
        /// The recount that its end knew of.
        let generation: Int64
    }

    /// Side by side.
    struct Counts {
        var tenants: [Int64]
        var services: [Int64]
        var counts: [Int32]
        var generations: [Int64]
    }

    private let counts = Mutex<[Key: Int32]>([:])

    func add(_ job: ClaimedJob, generation: Int64) {
        let key = Key(
            tenant: job.tenant.rawValue, service: job.isCapped ? job.serviceID : 0, generation: generation)
        counts.withLock { $0[key, default: 0] += 1 }
    }

    /// All that has gathered. Whoever takes it passes it on once: noted twice, it would let too many run.
    func take() -> Counts {
        let taken = counts.withLock { counts in
            defer { counts = [:] }
            return counts
        }
        let keys = Array(taken.keys)
        return Counts(
            tenants: keys.map(\.tenant), services: keys.map(\.service), counts: keys.map { taken[$0] ?? 0 },
            generations: keys.map(\.generation))
    }

    /// Keeps for the next claim what one was to pass on that is known to have changed nothing.
    func putBack(_ taken: Counts) {
        counts.withLock { counts in
            for place in taken.tenants.indices {
                let key = Key(
                    tenant: taken.tenants[place], service: taken.services[place], generation: taken.generations[place])
                counts[key, default: 0] += taken.counts[place]
            }
        }
    }
}
