import Core

/// How a transaction of a scope begins.
private enum Scope {
    static let enterTenant = Statement(
        "scope_tenant", "select set_config('role', 'scriptorium_tenant', true), set_config('app.tenant', $1, true)",
        idempotent: true)
    static let enterSystem = Statement(
        "scope_system", "select set_config('role', 'scriptorium_system', true)", idempotent: true)

    static func transaction<T: Sendable>(
        _ pool: ConnectionPool, readOnly: Bool, tenant: TenantID?, limit: Duration? = nil,
        _ body: @escaping @Sendable (borrowing SQLSession) throws -> T
    ) async throws -> T {
        try await pool.run(limit: limit) { link in
            try link.command(readOnly ? "BEGIN READ ONLY" : "BEGIN")
            do {
                if let tenant {
                    _ = try link.run(enterTenant, [String(tenant.rawValue)])
                } else {
                    _ = try link.run(enterSystem, [])
                }
                link.hasActed = true
                let result = try body(SQLSession(link))
                guard link.isInTransaction else {
                    throw DatabaseError(
                        .protocolMisuse, "the transaction has ended before its body; did it catch a failed statement?")
                }
                try link.command("COMMIT")
                return result
            } catch {
                if !link.isBroken, !link.isIdle { _ = try? link.command("ROLLBACK") }
                throw error
            }
        }
    }
}

/// One tenant's rows, under row-level security: the role is `scriptorium_tenant` and `app.tenant` is the tenant's number,
/// both for the time of one transaction.
public struct TenantScope: Sendable {
    let pool: ConnectionPool
    let tenant: TenantID

    /// A read-only transaction. The body runs on the thread of a connection and must not wait for anything else.
    /// - Throws: `DatabaseError`, `CancellationError`, and what the body throws.
    public func read<T: Sendable>(_ body: @escaping @Sendable (borrowing SQLSession) throws -> T) async throws -> T {
        try await Scope.transaction(pool, readOnly: true, tenant: tenant, body)
    }

    /// A transaction; rolled back when the body throws. The body runs on the thread of a connection and must not wait
    /// for anything else.
    /// - Throws: `DatabaseError`, `CancellationError`, and what the body throws.
    public func transaction<T: Sendable>(
        _ body: @escaping @Sendable (borrowing SQLSession) throws -> T
    ) async throws -> T {
        try await Scope.transaction(pool, readOnly: false, tenant: tenant, body)
    }
}

/// Statements that cross tenants; the role is `scriptorium_system`.
public struct SystemScope: Sendable {
    let pool: ConnectionPool

    /// As `TenantScope.read`.
    /// - Parameter limit: how long it may take, for what is known to be long; nil for the database's `answerLimit`.
    public func read<T: Sendable>(
        limit: Duration? = nil, _ body: @escaping @Sendable (borrowing SQLSession) throws -> T
    ) async throws -> T {
        try await Scope.transaction(pool, readOnly: true, tenant: nil, limit: limit, body)
    }

    /// As `TenantScope.transaction`.
    /// - Parameter limit: as `read`.
    public func transaction<T: Sendable>(
        limit: Duration? = nil, _ body: @escaping @Sendable (borrowing SQLSession) throws -> T
    ) async throws -> T {
        try await Scope.transaction(pool, readOnly: false, tenant: nil, limit: limit, body)
    }

    /// One statement that is a transaction by itself, in one round trip and without a change of role: for the queue's
    /// functions, which are SECURITY DEFINER. An idempotent one is repeated when the connection breaks.
    /// - Parameter limit: as `read`.
    /// - Throws: `DatabaseError`, `CancellationError`.
    public func execute(
        _ statement: Statement, _ parameters: [(any PostgresEncodable)?] = [], limit: Duration? = nil
    ) async throws -> [Row] {
        try await pool.run(limit: limit) { link in
            try link.run(statement, parameters).rows
        }
    }

    /// As ``execute(_:_:limit:)``, and at once on the same connection whatever statements follow from its rows, each a
    /// transaction by itself. What becomes of those is not told.
    public func execute(
        _ statement: Statement, _ parameters: [(any PostgresEncodable)?],
        then followers: @escaping @Sendable ([Row]) throws -> [(Statement, [any PostgresEncodable])]
    ) async throws -> [Row] {
        try await pool.run { link in
            let rows = try link.run(statement, parameters).rows
            for (follower, values) in (try? followers(rows)) ?? [] { _ = try? link.run(follower, values) }
            return rows
        }
    }
}
