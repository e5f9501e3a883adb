/// Answers what a running script asks. Execution knows no more of the platform than this.
public protocol ScriptHost: Sendable {
    /// One `platform.api` call. It never throws: what goes wrong is a reply with a status of 400 or more.
    func call(_ call: APICall) async -> APIReply

    /// One question to the platform itself. It never throws: what goes wrong is the answer.
    func answer(_ question: ScriptQuestion) async -> ScriptAnswer

    /// A line that the script printed, as soon as it is whole.
    func log(_ line: LogLine)
}

/// What a script asks the platform itself.
public enum ScriptQuestion: Sendable, Hashable {
    /// `platform.store.get(key)`
    case stored(key: String)
    /// `platform.store.set(key, value, ttl)`; the time is in seconds, nil stands for no end.
    case store(key: String, value: JSONText, ttl: Double?)
    /// `platform.store.delete(key)`
    case forget(key: String)
    /// `platform.lookup(name)`
    case lookup(name: String)
}

/// The answer to a ``ScriptQuestion``.
public enum ScriptAnswer: Sendable, Hashable {
    case value(JSONText)
    /// What the script's exception says.
    case refused(String)
}

/// One `platform.api` call, as the script made it.
public struct APICall: Sendable {
    /// As written by the script; upper-case.
    public var verb: String
    /// Relative (`svc/res?x=1`, with or without a leading `/` or `/api/v2/`) or absolute (`http://…`).
    public var path: String
    /// Values are already text.
    public var headers: [(name: String, value: String)]
    /// Query parameters beside those in `path`, not yet encoded.
    public var parameters: [(name: String, value: String)]
    public var body: [UInt8]
    /// cURL options, by their names or by PHP's numbers, for a call that leaves the installation.
    public var options: [(name: String, value: JSONText)]
    /// The payload's type where the harness knows it (an object is application/json); nil where the script gave text.
    public var contentType: String?

    public init(
        verb: String, path: String, headers: [(name: String, value: String)] = [],
        parameters: [(name: String, value: String)] = [], body: [UInt8] = [], contentType: String? = nil,
        options: [(name: String, value: JSONText)] = []
    ) {
        self.verb = verb
        self.path = path
        self.headers = headers
        self.parameters = parameters
        self.body = body
        self.contentType = contentType
        self.options = options
    }
}

/// The answer to an ``APICall``.
public struct APIReply: Sendable {
    public var status: Int
    /// Names in lower case.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// A line of a script's output.
public struct LogLine: Sendable, Hashable {
    public enum Stream: String, Sendable, Hashable {
        case stdout, stderr, system
    }

    public var stream: Stream
    /// Valid UTF-8 without NUL and without the line's end.
    public var text: String

    public init(stream: Stream, text: String) {
        self.stream = stream
        self.text = text
    }
}
