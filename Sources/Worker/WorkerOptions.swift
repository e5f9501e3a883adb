/// How a worker works.
public struct WorkerOptions: Sendable {
    /// Shown in the table of workers: host and process id.
    public var name: String
    /// `WORKER_CONCURRENCY`: how many jobs run at once; at least 1.
    public var slots: Int
    /// `SHUTDOWN_GRACE_SECONDS`: how long running jobs may go on after a graceful stop began.
    public var grace: Duration

    public init(name: String, slots: Int, grace: Duration = .seconds(30)) {
        self.name = name
        self.slots = max(1, slots)
        self.grace = grace
    }
}
