/// An error as callers see it (dreamfactory.md §6.4): always with the four keys, its message safe to show.
public struct ServiceError: Error, Sendable, CustomStringConvertible {
    public var status: Int
    /// DreamFactory's `code`; the status unless a script or a batch says otherwise.
    public var code: Int
    public var message: String
    /// Further facts for `context`, beside `request_id`.
    public var context: [(String, JSONText)]
    /// Seconds after which another try makes sense.
    public var retryAfter: Int?
    /// With a 405, what would be allowed (RFC 9110 §15.5.6).
    public var allowed: [Verb] = []
    /// Which of several records is at fault, counted from 0; nil where it is not about one of them.
    public var record: Int?

    public init(
        _ status: Int, _ message: String, code: Int? = nil, context: [(String, JSONText)] = [], retryAfter: Int? = nil
    ) {
        self.status = status
        self.code = code ?? status
        self.message = message
        self.context = context
        self.retryAfter = retryAfter
    }

    public static func badRequest(_ message: String) -> ServiceError { ServiceError(400, message) }
    public static func unauthorized(_ message: String) -> ServiceError { ServiceError(401, message) }
    public static func forbidden(_ message: String) -> ServiceError { ServiceError(403, message) }
    public static func notFound(_ message: String) -> ServiceError { ServiceError(404, message) }

    /// 405, with what is allowed.
    public static func notAllowed(_ method: String, on path: String, allowed: [Verb]) -> ServiceError {
        let verbs = allowed.map(\.rawValue).joined(separator: ", ")
        var error = ServiceError(405, "\(method) is not supported on '\(path)'. Use \(verbs).")
        error.allowed = allowed
        return error
    }

    /// The headers that go with the error.
    public var headers: [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let retryAfter { headers.append((name: "Retry-After", value: String(retryAfter))) }
        if !allowed.isEmpty {
            headers.append((name: "Allow", value: allowed.map(\.rawValue).joined(separator: ", ")))
        }
        return headers
    }

    /// `{"error":{"code","context","message","status_code"}}`
    public var json: JSONText {
        .object([
            (
                "error",
                .object([
                    ("code", .integer(code)),
                    ("context", .object(context)),
                    ("message", .string(message)),
                    ("status_code", .integer(status)),
                ])
            )
        ])
    }

    public var description: String { "\(status): \(message)" }
}
