import Core
import Metrics

/// What this process counts of calls that were refused because of a tenant's quota (contract.md §8). What an attempt meets
/// later, when it runs, is counted as `scriptorium_limit_hits_total`.
public enum QuotaMetrics {
    private static let counters = Dictionary(
        uniqueKeysWithValues: [
            "rate_per_second", "max_queued", "max_concurrent", "max_body_bytes", "jobs_per_day", "cpu_seconds_per_day",
        ].map { ($0, Counter(label: "scriptorium_quota_refusals_total", dimensions: [("quota", $0)])) })

    /// Shows what has not happened yet as such.
    public static func begin() { for counter in counters.values { counter.increment(by: 0) } }

    /// - Parameter quota: its key; a burst counts as the rate that it belongs to.
    public static func refused(_ quota: String) {
        counters[quota == "rate_burst" ? "rate_per_second" : quota]?.increment()
    }

    /// What the queue refuses is counted there, whoever asked.
    private static let ofQueue: Set = ["max_queued", "jobs_per_day", "cpu_seconds_per_day"]

    /// Counts an error that a caller gets, where it names a quota as the limit that was reached.
    public static func count(_ error: ServiceError) {
        guard let limit = error.context.first(where: { $0.0 == "limit" })?.1.string, !ofQueue.contains(limit) else {
            return
        }
        refused(limit)
    }
}
