import Metrics

/// How long work has waited for a connection.
enum PoolMetrics {
    private static let wait = Timer(label: "scriptorium_database_wait_seconds")

    static func waited(_ duration: Duration) { wait.record(duration: duration) }
}
