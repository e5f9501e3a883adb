/// How a worker works.
public struct WorkerOptions: Sendable {
    /// Shown in the table of workers: host and process id.
    public var name: String
    /// `WORKER_CONCURRENCY`: how many jobs run at once; at least 1.
    public var slots: Int
    /// How many of the slots jobs may have that nobody waits for; the others stay free for those that are waited for.
    public var asynchronousSlots: Int
    /// `SHUTDOWN_GRACE_SECONDS`: how long running jobs may go on after a graceful stop began.
    public var grace: Duration

    /// - Parameter synchronousShare: `SYNC_SLOT_SHARE`, 0 to 1: the share of the slots that is never given to asynchronous
    ///   jobs, rounded up; but one slot always may be.
    public init(name: String, slots: Int, synchronousShare: Double = 0, grace: Duration = .seconds(30)) {
        self.name = name
        self.slots = max(1, slots)
        let reserved = (Double(self.slots) * min(1, max(0, synchronousShare))).rounded(.up)
        asynchronousSlots = max(1, self.slots - Int(reserved))
        self.grace = grace
    }
}
