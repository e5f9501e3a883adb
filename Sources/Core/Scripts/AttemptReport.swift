/// How one run of a script ended, and what it used.
public struct AttemptReport: Sendable {
    public enum Ending: Sendable {
        /// The harness delivered a result.
        case result(ScriptResult)
        /// The process ended by itself without a result.
        case exited(code: Int32, lastErrorLine: String?)
        /// A signal ended the process that was not ours.
        case crashed(signal: Int32, lastErrorLine: String?)
        /// A limit fired.
        case limit(LimitHit)
        /// The child broke the protocol.
        case violation(String)
        /// The script was cancelled from outside.
        case cancelled
        /// Our own machinery failed before the script could answer: the attempt may be repeated.
        case lost(String)

        /// Whether the script came to an end by itself.
        public var isOwn: Bool {
            switch self {
            case .result, .exited: true
            case .crashed, .limit, .violation, .cancelled, .lost: false
            }
        }
    }

    public var ending: Ending
    public var usage: AttemptUsage
    /// Whether output beyond the limit was dropped.
    public var logTruncated: Bool

    public init(ending: Ending, usage: AttemptUsage = AttemptUsage(), logTruncated: Bool = false) {
        self.ending = ending
        self.usage = usage
        self.logTruncated = logTruncated
    }
}

/// What one attempt has used.
public struct AttemptUsage: Sendable, Hashable {
    /// Of the script's process and of its descendants.
    public var userCPU = Duration.zero
    public var systemCPU = Duration.zero
    public var peakMemoryBytes = 0
    /// From handing over the job to its end.
    public var wall = Duration.zero
    /// From handing over the job to its result; zero where there was none.
    public var answered = Duration.zero
    /// From asking for a process to handing over the job.
    public var waited = Duration.zero
    /// Calls of `platform.api`, refused ones included.
    public var apiCalls = 0
    /// Frames to the script and from it, in bytes: the job, the answers to its calls; its calls and its result.
    public var bytesIn = 0
    public var bytesOut = 0
    /// What it has printed, also where it was not kept.
    public var logBytes = 0

    public init() {}

    public var cpu: Duration { userCPU + systemCPU }

    /// Adds what a call has used that was made meanwhile: its time is within the time of who called.
    public mutating func add(nested: AttemptUsage) {
        let wall = wall
        self += nested
        self.wall = wall
    }

    /// Adds what another script of the same attempt has used: one follows the other, so the larger peak counts.
    public static func += (sum: inout AttemptUsage, other: AttemptUsage) {
        sum.userCPU += other.userCPU
        sum.systemCPU += other.systemCPU
        sum.peakMemoryBytes = max(sum.peakMemoryBytes, other.peakMemoryBytes)
        sum.wall += other.wall
        sum.answered += other.answered
        sum.waited += other.waited
        sum.apiCalls += other.apiCalls
        sum.bytesIn += other.bytesIn
        sum.bytesOut += other.bytesOut
        sum.logBytes += other.logBytes
    }
}

/// A limit that fired: the quota's key (contract.md §8) and its value as people read it.
public struct LimitHit: Sendable, Hashable {
    public var key: String
    public var value: String

    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// What the harness says at the end of a script.
public struct ScriptResult: Sendable {
    /// What the script returned; nil where it returned nothing (`undefined`).
    public var returned: JSONText?
    /// `event.response` at the end; nil where the script removed it.
    public var response: JSONText?
    /// The whole event, sent only where `event.response` was removed and by scripts that run before a service.
    public var event: JSONText?
    /// `event.exception`, where the script set it.
    public var exception: JSONText?
    /// What the script threw, or why its result can not be sent.
    public var error: ScriptError?
    /// What is the body as it stands: PHP's `exit('text')`.
    public var rawBody: String?
    /// The status that goes with ``rawBody``; nil stands for 200.
    public var rawStatus: Int?
    /// Headers that the script set by itself (PHP's `header()`).
    public var headers: [(name: String, value: String)]
    /// `event.stop_propagation`
    public var stopsPropagation = false

    public init(
        returned: JSONText? = nil, response: JSONText? = nil, event: JSONText? = nil, exception: JSONText? = nil,
        error: ScriptError? = nil, rawBody: String? = nil, headers: [(name: String, value: String)] = []
    ) {
        self.returned = returned
        self.response = response
        self.event = event
        self.exception = exception
        self.error = error
        self.rawBody = rawBody
        self.headers = headers
    }
}

/// A script's own failure.
public struct ScriptError: Error, Sendable, Hashable {
    /// What went wrong.
    public enum Kind: String, Sendable, Hashable {
        /// The script threw.
        case thrown
        /// The source does not parse.
        case syntax
        /// The result can not be written as JSON.
        case result
        /// The script took more memory than it may have.
        case memory
        /// The script wrote more to files than it may.
        case files
        /// The script began more processes or threads than it may.
        case processes
    }

    public var kind: Kind
    public var message: String
    /// The `code` in the error's body; nil stands for the status.
    public var code: Int?
    /// The HTTP status; nil stands for 500.
    public var statusCode: Int?
    /// The author's own line, counted from 1.
    public var line: Int?
    /// Counted from 1.
    public var column: Int?
    /// Frames of the script itself, innermost first.
    public var trace: [String]
    public var context: JSONText?

    public init(
        kind: Kind, message: String, code: Int? = nil, statusCode: Int? = nil, line: Int? = nil, column: Int? = nil,
        trace: [String] = [], context: JSONText? = nil
    ) {
        self.kind = kind
        self.message = message
        self.code = code
        self.statusCode = statusCode
        self.line = line
        self.column = column
        self.trace = trace
        self.context = context
    }
}
