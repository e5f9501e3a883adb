import Core
import Metrics

/// What this process counts of the queue.
enum QueueMetrics {
    private static let acceptedSynchronous = accepted("synchronous")
    private static let acceptedAsynchronous = accepted("asynchronous")
    private static let ended = JobStatus.allCases.filter(\.isFinal).map { status in
        (status, Counter(label: "scriptorium_jobs_finished_total", dimensions: [("status", status.rawValue)]))
    }
    private static let refused = Counter(label: "scriptorium_results_refused_total")
    private static let lost = Counter(label: "scriptorium_attempts_lost_total")
    private static let claims = Recorder(label: "scriptorium_claim_jobs")
    private static let claimTime = Timer(label: "scriptorium_claim_seconds")

    /// Shows what has not happened yet as such.
    static func begin() { for counter in [refused, lost] + ended.map(\.1) { counter.increment(by: 0) } }

    private static func accepted(_ kind: String) -> Counter {
        Counter(label: "scriptorium_jobs_accepted_total", dimensions: [("kind", kind)])
    }

    static func accepted(_ jobs: [NewJob], _ outcomes: [Enqueued]) {
        for (job, outcome) in zip(jobs, outcomes) {
            guard case .accepted = outcome else { continue }
            (job.isAsynchronous ? acceptedAsynchronous : acceptedSynchronous).increment()
        }
    }

    static func ended(_ status: JobStatus, times: Int = 1) {
        ended.first { $0.0 == status }?.1.increment(by: times)
    }

    static func resultRefused() { refused.increment() }
    static func attemptLost() { lost.increment() }

    /// - Parameter time: from the question to the answer, a wait for a connection included.
    static func claimed(_ count: Int, in time: Duration) {
        claims.record(count)
        claimTime.record(duration: time)
    }
}
