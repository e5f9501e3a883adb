import Core
import Database
import JobQueue
import Platform
import Testing

/// What a caller is told whose job is not written for a quota of the queue.
@Suite struct RefusalTests {
    /// A refusal, when it comes, the quota's key, what the message says, and the seconds to wait.
    @Test(arguments: [
        (
            QueueRefusal(kind: .queued, limit: 10, inUse: 12), "2026-11-21T12:00:00Z", "max_queued",
            "12 jobs of this tenant wait to run, and 10 may (max_queued)", 2...6
        ),
        (
            QueueRefusal(kind: .jobsPerDay, limit: 5, inUse: 5), "2026-11-21T23:59:58.5Z", "jobs_per_day",
            "has had 5 jobs today (UTC), and may have 5 (jobs_per_day)", 2...2
        ),
        (
            QueueRefusal(kind: .cpuSecondsPerDay, limit: 1.5, inUse: 1.75), "2026-11-21T00:00:00Z",
            "cpu_seconds_per_day", "used 1.75 s of CPU time today (UTC), and may use 1.5 s", 86_400...86_400
        ),
    ])
    func itNamesTheQuotaItsValueWhatIsInUseAndWhenToComeBack(
        refusal: QueueRefusal, now: String, key: String, part: String, seconds: ClosedRange<Int>
    ) throws {
        let error = ServiceError(refusal, now: try #require(Timestamp(now)))
        #expect(error.status == 429)
        let wait = try #require(error.retryAfter)
        #expect(seconds.contains(wait))
        #expect(error.message.contains(part), "\(error.message)")
        #expect(error.message.contains("Come back in \(wait) s."))
        let context = try #require(error.json["error"]?["context"])
        #expect(context["limit"]?.string == key)
        #expect(context["limits"]?[key]?.double == refusal.limit)
        #expect(context["limits"]?["in_use"]?.double == refusal.inUse)
    }
}
