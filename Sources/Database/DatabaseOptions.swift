/// Where the database is and how it is used.
public struct DatabaseOptions: Sendable {
    /// A libpq connection string or `postgres://` URI; TLS by its `sslmode`. Secret.
    public var url: String
    /// Where to LISTEN when `url` leads to a PgBouncer; nil: at `url`. Secret.
    public var listenURL: String?
    /// How many connections, each with a thread of its own.
    public var connections: Int
    /// Prepared statements; off behind a PgBouncer before 1.21 in transaction mode.
    public var prepare: Bool
    /// What `pg_stat_activity` shows.
    public var applicationName: String
    /// For one attempt to connect.
    public var connectTimeout: Duration
    /// How long an operation waits for a usable connection before `DatabaseError.Code.unavailable`.
    public var waitLimit: Duration
    /// How long an operation may take in all, from its asking to its end. After that its connection is given up, because
    /// a server that is frozen or cut off says nothing: `DatabaseError.Code.connectionLost`.
    public var answerLimit: Duration

    public init(
        url: String, listenURL: String? = nil, connections: Int = 8, prepare: Bool = true,
        applicationName: String = "scriptorium", connectTimeout: Duration = .seconds(5),
        waitLimit: Duration = .seconds(6), answerLimit: Duration = .seconds(9)
    ) {
        self.url = url
        self.listenURL = listenURL
        self.connections = connections
        self.prepare = prepare
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.waitLimit = waitLimit
        self.answerLimit = answerLimit
    }
}
