/// How long a process is kept that serves many jobs (a service's `config.reuse`).
public struct ReuseRules: Sendable {
    /// After so many jobs a process is ended, for what may have leaked, at least 1.
    public var mostJobs = 1000
    /// How long a process waits for its next job.
    public var idleTime: Duration = .seconds(60)
    /// How many processes may wait; beyond it, the one that has waited longest is ended.
    public var mostIdle = 32

    public init() {}
}
