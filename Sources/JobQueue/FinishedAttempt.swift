import Core
import Database

/// The end of an attempt, as its worker reports it.
public struct FinishedAttempt: Sendable {
    public var job: ClaimedJob
    public var worker: WorkerID
    public var status: JobStatus
    public var usage: AttemptUsage
    /// A sealed ``JobOutcome``; nil where there is no key to seal with.
    public var outcome: [UInt8]?
    /// What its scripts have called, those that they called included.
    public var children: [FinishedChild]
    /// Whether its tenant has a daily budget of processor time, which this one's counts against.
    public var countsAgainstBudget = false

    public init(
        job: ClaimedJob, worker: WorkerID, status: JobStatus, usage: AttemptUsage, outcome: [UInt8]?,
        children: [FinishedChild] = []
    ) {
        self.job = job
        self.worker = worker
        self.status = status
        self.usage = usage
        self.outcome = outcome
        self.children = children
    }
}

/// The number of a worker process: its epoch. A worker that was given up comes back under a new one.
public struct WorkerID: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
}
