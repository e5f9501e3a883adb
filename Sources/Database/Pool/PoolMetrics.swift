import Metrics

/// What this process counts of its connections to the database.
enum PoolMetrics {
    private static let wait = Timer(label: "scriptorium_database_wait_seconds")
    private static let use = Timer(label: "scriptorium_database_use_seconds")
    private static let open = Meter(label: "scriptorium_database_connections")
    private static let busy = Meter(label: "scriptorium_database_connections_busy")

    /// How long work has waited for a connection.
    static func waited(_ duration: Duration) { wait.record(duration: duration) }

    static func opened() { open.increment() }
    static func closed() { open.decrement() }

    /// Runs work on a connection.
    static func using<T>(_ work: () -> T) -> T {
        let begun = Moment.now
        busy.increment()
        defer {
            busy.decrement()
            use.record(duration: begun.duration(to: .now))
        }
        return work()
    }
}
