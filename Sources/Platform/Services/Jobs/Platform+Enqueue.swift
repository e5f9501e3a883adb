import Core
import Database
import JobQueue

extension Platform {
    /// Writes a job within its tenant's quotas, unless its idempotency key has one.
    /// - Throws: ``ServiceError`` 429 where the tenant's queue or its day is full; `DatabaseError`, where the job may have been
    ///   written.
    @discardableResult
    public func enqueue(_ job: NewJob) async throws -> Enqueued {
        let outcome = try await queue.enqueue(job)
        guard case .refused(let refusal) = outcome else { return outcome }
        QuotaMetrics.refused(refusal.kind.quota)
        throw ServiceError(refusal, now: .now)
    }
}

extension QueueRefusal.Kind {
    /// The quota's key (contract.md §8).
    var quota: String {
        switch self {
        case .queued: "max_queued"
        case .jobsPerDay: "jobs_per_day"
        case .cpuSecondsPerDay: "cpu_seconds_per_day"
        }
    }
}

extension ServiceError {
    /// 429 that names the quota, its value, what is in use, and when to come back.
    public init(_ refusal: QueueRefusal, now: Timestamp) {
        let limit = JSONText.number(refusal.limit)
        let inUse = JSONText.number(refusal.inUse)
        let key = refusal.kind.quota
        let rule: String
        let seconds: Int
        switch refusal.kind {
        case .queued:
            rule = "\(inUse) jobs of this tenant wait to run, and \(limit) may"
            // A queue gets shorter all the time. At random, so that not all who are refused come back together.
            seconds = Int.random(in: 2...6)
        case .jobsPerDay:
            rule = "This tenant has had \(inUse) jobs today (UTC), and may have \(limit)"
            seconds = Self.secondsToMidnight(now)
        case .cpuSecondsPerDay:
            rule = "This tenant's scripts have used \(inUse) s of CPU time today (UTC), and may use \(limit) s"
            seconds = Self.secondsToMidnight(now)
        }
        self.init(
            429, "\(rule) (\(key)). Nothing was stored. Come back in \(seconds) s.",
            context: [
                ("limit", .string(key)),
                ("limits", .object([(key, .number(refusal.limit)), ("in_use", .number(refusal.inUse))])),
            ], retryAfter: seconds)
    }

    /// Until the day ends in UTC, at least one.
    private static func secondsToMidnight(_ now: Timestamp) -> Int {
        let day: Int64 = 86_400
        // The epoch began at midnight, and UTC's days are equally long in it.
        let second = now.microseconds / 1_000_000
        return Int(day - (second % day + day) % day)
    }
}
