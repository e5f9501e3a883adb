import Core
import Database

/// A job in a worker's hands: one attempt of it.
public struct ClaimedJob: Sendable {
    public let id: JobID
    /// By the database's clock.
    public let createdAt: Timestamp
    /// How old it was when it was claimed, by the same clock.
    public let age: Duration
    public let tenant: TenantID
    public let isAsynchronous: Bool
    /// Counted from 1.
    public let attempt: Int
    public let maxAttempts: Int
    /// Whether it is tried again when the script fails.
    public let retryOnError: Bool
    public let service: String
    public let serviceID: Int64
    public let version: Int32
    public let wall: Duration
    public let ingress: Int64
    /// A sealed ``JobPayload``.
    public let payload: [UInt8]
    /// Whether a cap of its service counts it.
    public let isCapped: Bool

    init(_ row: Row) throws {
        let (
            id, createdAt, tenant, isAsynchronous, attempt, maxAttempts, service, serviceID, version, wall, ingress,
            retryOnError, payload, isCapped, claimedAt
        ) =
            try row.decode(
                JobID.self, Timestamp.self, Int64.self, Bool.self, Int16.self, Int16.self, String.self, Int64.self,
                Int32.self, Int32.self, Int64.self, Bool.self, [UInt8].self, Bool.self, Timestamp.self)
        self.id = id
        self.createdAt = createdAt
        age = .microseconds(max(0, claimedAt.microseconds - createdAt.microseconds))
        self.tenant = TenantID(rawValue: tenant)
        self.isAsynchronous = isAsynchronous
        self.attempt = Int(attempt)
        self.maxAttempts = Int(maxAttempts)
        self.retryOnError = retryOnError
        self.service = service
        self.serviceID = serviceID
        self.version = version
        self.wall = .milliseconds(Int64(wall))
        self.ingress = ingress
        self.payload = payload
        self.isCapped = isCapped
    }
}
