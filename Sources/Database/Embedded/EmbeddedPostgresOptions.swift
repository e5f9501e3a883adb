/// How a PostgreSQL server of our own is run.
public struct EmbeddedPostgresOptions: Sendable {
    /// Where the cluster, its password and its log are kept; made when it does not exist.
    public var dataDirectory: String
    /// A port on 127.0.0.1 besides the Unix socket; nil: none.
    public var port: Int?
    /// False gives durability up for speed: for tests.
    public var durable: Bool
    /// How long the server may take until it answers, recovery included.
    public var startLimit: Duration

    /// Throws away a cluster that is there already, once nobody else uses it.
    public var fresh: Bool

    /// Further settings of the server: for tests.
    package var settings: [String: String] = [:]
    /// Further files of the cluster, by their names, which only the server's user can read: for tests.
    package var files: [String: [UInt8]] = [:]

    public init(
        dataDirectory: String, port: Int? = nil, durable: Bool = true, startLimit: Duration = .seconds(60),
        fresh: Bool = false
    ) {
        self.fresh = fresh
        self.dataDirectory = dataDirectory
        self.port = port
        self.durable = durable
        self.startLimit = startLimit
    }
}
