import Core
import JobQueue
import Metrics

/// What this process counts of the attempts that it runs.
enum WorkerMetrics {
    /// How a worker's lease is lost.
    enum LeaseLoss: String, CaseIterable {
        /// The database said so: others may have its jobs.
        case givenUp = "given_up"
        /// It could not be renewed, and the scripts were stopped before others could have the jobs.
        case notRenewed = "not_renewed"
    }

    private static let dropped = Counter(label: "scriptorium_attempts_dropped_total")
    private static let leases = Dictionary(
        uniqueKeysWithValues: LeaseLoss.allCases.map {
            ($0, Counter(label: "scriptorium_leases_lost_total", dimensions: [("cause", $0.rawValue)]))
        })
    private static let busy = slots("busy")
    private static let free = slots("free")
    private static let synchronousWait = wait("synchronous")
    private static let asynchronousWait = wait("asynchronous")

    private static func slots(_ state: String) -> Meter {
        Meter(label: "scriptorium_slots", dimensions: [("state", state)])
    }

    private static func wait(_ kind: String) -> Timer {
        Timer(label: "scriptorium_job_wait_seconds", dimensions: [("kind", kind)])
    }

    /// Shows what has not happened yet as such.
    static func begin() {
        for counter in leases.values { counter.increment(by: 0) }
        dropped.increment(by: 0)
    }

    /// An attempt came to nothing, because its job was cancelled or taken over.
    static func attemptDropped() { dropped.increment() }

    static func leaseLost(_ how: LeaseLoss) { leases[how]?.increment() }

    static func slots(_ count: Int, busy taken: Int) {
        busy.set(taken)
        free.set(count - taken)
    }

    /// A job that nobody has run before and that could have been run at once has come to a worker.
    static func claimed(_ job: ClaimedJob) {
        (job.isAsynchronous ? asynchronousWait : synchronousWait).record(duration: job.age)
    }
}
