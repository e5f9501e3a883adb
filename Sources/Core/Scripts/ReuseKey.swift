/// Which attempts may be served by the same process, one after the other: those of one version of one service.
public struct ReuseKey: Sendable, Hashable {
    public var tenant: TenantID
    public var service: Int64
    public var version: Int32
    /// A process is started under these, so an attempt with others needs another one.
    public var memoryBytes: Int
    public var processes: Int
    public var tmpBytes: Int

    public init(tenant: TenantID, service: Int64, version: Int32, limits: AttemptLimits) {
        self.tenant = tenant
        self.service = service
        self.version = version
        memoryBytes = limits.memoryBytes
        processes = limits.processes
        tmpBytes = limits.tmpBytes
    }
}
