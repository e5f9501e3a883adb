import Core
import Database

/// A job as an ingress accepts it.
public struct NewJob: Sendable {
    public var id: JobID
    public var tenant: TenantID
    public var app: Int64?
    public var account: Int64?
    /// The service's name, for lists.
    public var service: String
    /// Which script answers: a save after the acceptance changes nothing for this job. 0 where no script service is called.
    public var serviceID: Int64
    public var version: Int32
    /// Only workers that have it take the job; nil for any.
    public var language: ScriptLanguage?
    public var verb: Verb
    public var isAsynchronous: Bool
    /// How often the job is tried when its worker is lost; a synchronous one is tried once.
    public var maxAttempts: Int
    /// Whether it is tried again when the script fails, too.
    public var retryOnError = false
    /// The wall limit of an attempt.
    public var wall: Duration
    /// When it may start; nil for at once.
    public var start: Start?
    /// A job that has not been started so long after it could have been is expired.
    public var startWithin: Duration
    /// The job whose request is sent again.
    public var retryOf: JobID?
    public var idempotency: IdempotencyKey?
    /// The number of the process that waits for the end.
    public var ingress: Int64
    /// From -100 to 100: of one tenant's jobs those with more come first, in five bands of it (above 50, above 0, 0, -50 and
    /// above, less).
    public var priority = 0
    /// What its tenant's quotas say about accepting it.
    public var bounds = QueueBounds()
    /// A sealed ``JobPayload``.
    public var payload: [UInt8]
    /// A sealed ``JobSummary``.
    public var summary: [UInt8]

    /// A start in the future.
    public enum Start: Sendable, Hashable {
        /// So long after the acceptance, by the database's clock.
        case after(Duration)
        case at(Timestamp)
    }

    public init(
        id: JobID, tenant: TenantID, app: Int64?, account: Int64?, service: String, serviceID: Int64, version: Int32,
        language: ScriptLanguage?, verb: Verb, isAsynchronous: Bool, maxAttempts: Int, wall: Duration,
        startWithin: Duration, ingress: Int64, payload: [UInt8], summary: [UInt8]
    ) {
        self.id = id
        self.tenant = tenant
        self.app = app
        self.account = account
        self.service = service
        self.serviceID = serviceID
        self.version = version
        self.language = language
        self.verb = verb
        self.isAsynchronous = isAsynchronous
        self.maxAttempts = maxAttempts
        self.wall = wall
        self.startWithin = startWithin
        self.ingress = ingress
        self.payload = payload
        self.summary = summary
    }
}

/// Under which a caller may send the same request again without having it run twice.
public struct IdempotencyKey: Sendable, Hashable {
    /// Whose key it is: keys of different callers have nothing to do with each other.
    public var caller: String
    /// The SHA-256 of the key.
    public var key: [UInt8]
    /// The SHA-256 of the request: the same key with another request is a mistake of the caller's.
    public var fingerprint: [UInt8]

    public init(caller: String, key: [UInt8], fingerprint: [UInt8]) {
        self.caller = caller
        self.key = key
        self.fingerprint = fingerprint
    }
}

/// What became of an enqueue.
public enum Enqueued: Sendable, Hashable {
    case accepted
    /// The idempotency key has a job already; nothing was written.
    case repeated(of: JobID, sameRequest: Bool)
    /// A quota of its tenant is used up; nothing was written.
    case refused(QueueRefusal)
}

extension ScriptLanguage {
    /// The number in the queue's tables.
    var number: Int16 {
        switch self {
        case .nodejs: 1
        case .php: 2
        case .python: 4
        case .python3: 3
        // 4 is Python 2.
        case .v8js: 5
        }
    }
}
