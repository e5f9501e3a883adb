import Core

/// A job as an ingress accepts it.
public struct NewJob: Sendable {
    public var id: JobID
    public var tenant: TenantID
    public var app: Int64?
    public var account: Int64?
    /// The service's name, for lists.
    public var service: String
    /// Which script answers: a save after the acceptance changes nothing for this job.
    public var serviceID: Int64
    public var version: Int32
    public var verb: Verb
    public var isAsynchronous: Bool
    /// How often the job is tried when its worker is lost; a synchronous one is tried once.
    public var maxAttempts: Int
    /// The wall limit of an attempt.
    public var wall: Duration
    /// The number of the process that waits for the end.
    public var ingress: Int64
    /// A sealed ``JobPayload``.
    public var payload: [UInt8]

    public init(
        id: JobID, tenant: TenantID, app: Int64?, account: Int64?, service: String, serviceID: Int64, version: Int32,
        verb: Verb, isAsynchronous: Bool, maxAttempts: Int, wall: Duration, ingress: Int64, payload: [UInt8]
    ) {
        self.id = id
        self.tenant = tenant
        self.app = app
        self.account = account
        self.service = service
        self.serviceID = serviceID
        self.version = version
        self.verb = verb
        self.isAsynchronous = isAsynchronous
        self.maxAttempts = maxAttempts
        self.wall = wall
        self.ingress = ingress
        self.payload = payload
    }
}
