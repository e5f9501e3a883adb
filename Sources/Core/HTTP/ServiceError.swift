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
