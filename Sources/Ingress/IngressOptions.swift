/// Where an ingress listens and what it accepts.
public struct IngressOptions: Sendable {
    public var host: String
    /// 0 takes a free port.
    public var port: Int
    /// A bearer token for `/operator`; nil switches the operator plane off.
    public var operatorToken: String?
    /// `TENANT_DOMAIN`: the part of a Host name behind a tenant's name; nil where hosts name no tenant.
    public var tenantDomain: String?
    /// The longest path and query, in bytes (414 beyond it).
    public var longestURI = 8 << 10
    /// The largest header section, in bytes (431 beyond it).
    public var largestHeaders = 32 << 10
    /// The largest body that any tenant may send, in bytes; a tenant's own limit is lower or the same.
    public var largestBody = 64 << 20

    public init(host: String = "127.0.0.1", port: Int = 8080, operatorToken: String? = nil, tenantDomain: String? = nil)
    {
        self.host = host
        self.port = port
        self.operatorToken = operatorToken
        self.tenantDomain = tenantDomain
    }
}
