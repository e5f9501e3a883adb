/// An HTTP request that leaves this process.
public struct HTTPCall: Sendable {
    public var method: String
    public var url: String
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// For the whole call, from the connection to the last byte.
    public var timeout: Duration

    public init(
        method: String = "GET", url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        timeout: Duration = .seconds(60)
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
    }
}

/// The answer to an ``HTTPCall``.
public struct HTTPReply: Sendable {
    public var status: Int
    /// As they were received.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    /// The first value of a header, whatever the case of its name.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The body as UTF-8, repaired where it is not.
    public var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why an ``HTTPCall`` has no answer.
public struct OutboundError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        case couldNotConnect, timedOut, tooLarge, cancelled, invalid, other
    }

    public let code: Code
    /// One sentence, without secrets.
    public let message: String

    public var description: String { message }
}
