import Core
import Logging
import ServiceLifecycle

/// PostgreSQL: a pool of connections, and two doors to it. Everything a tenant may see goes through `tenant(_:)`.
public final class Database: Service, Sendable {
    private let pool: ConnectionPool

    /// Returns at once; the connections are opened in the background and stay open.
    public init(_ options: DatabaseOptions, logger: Logger) {
        pool = ConnectionPool(options, logger: logger)
    }

    /// The door for what crosses tenants.
    public var system: SystemScope { SystemScope(pool: pool) }

    /// The door to one tenant's rows.
    public func tenant(_ id: TenantID) -> TenantScope { TenantScope(pool: pool, tenant: id) }

    /// Keeps the pool until graceful shutdown, then closes it.
    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }

    /// Refuses new work, lets what runs come to its end (it is cancelled after five seconds) and closes the connections.
    public func close() async { await pool.close() }
}
