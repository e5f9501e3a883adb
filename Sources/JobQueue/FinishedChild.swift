import Core

/// A call of a script by a script, as it is written with the end of the job that made it: a job that never waited.
public struct FinishedChild: Sendable {
    /// Its time is that of the job, next to which it is kept.
    public var id: JobID
    /// The job whose script called: the one that ends, or another child of it.
    public var parent: JobID
    public var service: String
    public var serviceID: Int64
    public var version: Int32
    public var verb: Verb
    public var wall: Duration
    public var began: ContinuousClock.Instant
    public var ended: ContinuousClock.Instant
    public var status: JobStatus
    public var usage: AttemptUsage
    /// A sealed ``JobPayload``; empty where it is not kept.
    public var payload: [UInt8]
    /// A sealed ``JobSummary``.
    public var summary: [UInt8]
    /// A sealed ``JobOutcome``; nil where it is not kept.
    public var outcome: [UInt8]?
    public var lineCount: Int32
    /// Lines, sealed as in a ``LogPiece`` with the number 1 of the attempt 1; nil where there are none.
    public var lines: [UInt8]?

    public init(
        id: JobID, parent: JobID, service: String, serviceID: Int64, version: Int32, verb: Verb, wall: Duration,
        began: ContinuousClock.Instant, ended: ContinuousClock.Instant, status: JobStatus, usage: AttemptUsage,
        payload: [UInt8], summary: [UInt8], outcome: [UInt8]?, lineCount: Int32, lines: [UInt8]?
    ) {
        self.id = id
        self.parent = parent
        self.service = service
        self.serviceID = serviceID
        self.version = version
        self.verb = verb
        self.wall = wall
        self.began = began
        self.ended = ended
        self.status = status
        self.usage = usage
        self.payload = payload
        self.summary = summary
        self.outcome = outcome
        self.lineCount = lineCount
        self.lines = lines
    }

    /// About how many bytes a statement has for it.
    var size: Int { payload.count + summary.count + (outcome?.count ?? 0) + (lines?.count ?? 0) + 300 }
}
