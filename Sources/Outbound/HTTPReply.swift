/// The answer to an ``HTTPCall``.
public struct HTTPReply: Sendable {
    public var status: Int
    /// As they were received, those of interim (1xx) answers left out.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first value of a header, whatever the case of its name.
    public func header(_ name: String) -> String? {
        let name = name.lowercased()
        return headers.first { $0.name.lowercased() == name }?.value
    }

    /// The body as UTF-8, repaired where it is not.
    public var text: String { String(decoding: body, as: UTF8.self) }
}
