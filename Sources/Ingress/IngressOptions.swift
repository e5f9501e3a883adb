/// Where an ingress listens and what it accepts.
public struct IngressOptions: Sendable {
    public var host: String
    /// 0 takes a free port.
    public var port: Int
    /// A bearer token for `/operator`; nil switches the operator plane off.
    public var operatorToken: String?
    /// `TENANT_DOMAIN`: the part of a Host name behind a tenant's name; nil where hosts name no tenant.
    public var tenantDomain: String?
    /// What answers here.
    public var planes: Set<Plane> = [.api, .administration]
    /// The longest path and query, in bytes (414 beyond it).
    public var longestURI = 8 << 10
    /// The largest header section, in bytes (431 beyond it).
    public var largestHeaders = 32 << 10
    /// The largest number of headers (431 beyond it).
    public var mostHeaders = 256
    /// The largest body that any tenant may send, in bytes; a tenant's own limit is lower or the same.
    public var largestBody = 64 << 20
    /// How many connections are open at once; further ones wait in the system's backlog until others end.
    public var mostConnections = 10_000
    /// How long a connection may be open without a request.
    public var idleTimeout = Duration.seconds(60)
    /// From the first byte of a request to the end of its headers; also from the connection's start (408 beyond it).
    public var headerTimeout = Duration.seconds(15)
    /// How long a body may stand still (408 beyond it), and a client may take nothing of a response.
    public var bodyTimeout = Duration.seconds(30)
    /// The slowest that a body may come on the whole, in bytes a second (408 below it).
    public var slowestBody = 1024
    /// How long a connection is still read after its last response, so that the client gets to see that.
    public var lingerTimeout = Duration.seconds(2)

    /// A part of what an ingress can answer. Health is everywhere.
    public enum Plane: Sendable, Hashable {
        /// `/api/v2`
        case api
        /// `/operator` and `/metrics`
        case administration
    }

    public init(host: String = "127.0.0.1", port: Int = 8080, operatorToken: String? = nil, tenantDomain: String? = nil)
    {
        self.host = host
        self.port = port
        self.operatorToken = operatorToken
        self.tenantDomain = tenantDomain
    }
}

/// Without the token: whoever logs a value with options in it logs no secret.
extension IngressOptions: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { "\(host):\(port)" }
    public var debugDescription: String { description }
}
