import Metrics

/// What this process counts of the limits of attempts (contract.md §8).
enum LimitMetrics {
    private static let counters = Dictionary(
        uniqueKeysWithValues: [
            "wall_seconds", "async_wall_seconds", "cpu_seconds", "memory_bytes", "max_processes", "tmp_bytes",
            "log_bytes",
            "response_bytes", "api_calls", "call_depth",
        ].map { ($0, Counter(label: "scriptorium_limit_hits_total", dimensions: [("limit", $0)])) })

    /// - Parameter limit: the quota's key.
    static func fired(_ limit: String) { counters[limit]?.increment() }
}
