/// Small facts of a job's request, which lists show: the request itself may be large. It is sealed at rest as a whole.
public struct JobSummary: Sendable, Hashable {
    /// The path after the service's name.
    public var resource: String
    public var idempotencyKey: String?

    public init(resource: String, idempotencyKey: String? = nil) {
        self.resource = resource
        self.idempotencyKey = idempotencyKey
    }

    /// The form that is sealed.
    public var bytes: [UInt8] {
        Array(
            JSONText.object([
                ("resource", .string(resource)), ("idempotency_key", .string(idempotencyKey)),
            ]).text.utf8)
    }

    /// Reads ``bytes``.
    public init(bytes: [UInt8]) {
        let json = JSONText(trusted: String(decoding: bytes, as: UTF8.self))
        self.init(resource: json["resource"]?.string ?? "", idempotencyKey: json["idempotency_key"]?.string)
    }
}
