import Metrics

/// What this process counts of the attempts that it runs.
enum WorkerMetrics {
    private static let dropped = Counter(label: "scriptorium_attempts_dropped_total")

    /// An attempt came to nothing, because its job was cancelled or taken over.
    static func attemptDropped() { dropped.increment() }
}
