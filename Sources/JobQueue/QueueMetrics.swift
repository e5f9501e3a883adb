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
    static func claimed(_ count: Int) { claims.record(count) }
}
