import Core

/// What a tenant's quotas bound when one of its jobs is accepted (contract.md §8). A nil is no bound.
public struct QueueBounds: Sendable, Hashable {
    /// How many of the tenant's jobs may wait, delayed ones included.
    public var maxQueued: Int64?
    /// How many may be accepted on a day (UTC).
    public var jobsPerDay: Int64?
    /// How much processor time the tenant's jobs may have used on a day (UTC) before another is accepted, in seconds.
    public var cpuSecondsPerDay: Double?

    public init() {}

    /// Those of a tenant.
    public init(_ quotas: Quotas) {
        maxQueued = quotas.maxQueued.map { Int64($0) }
        jobsPerDay = quotas.jobsPerDay.map { Int64($0) }
        cpuSecondsPerDay = quotas.cpuSecondsPerDay
    }
}
