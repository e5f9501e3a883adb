import Core
import Database

/// What the scripts of one service keep from one call to the next (contract.md §10).
public struct ScriptStore: Sendable {
    let tenant: TenantSnapshot
    let service: Int64
    let catalog: Catalog

    /// In UTF-8.
    public static let longestKey = 250
    /// As JSON, in bytes.
    public static let largestValue = 64 << 10
    public static let mostKeys = 1000
    /// In seconds: ten years.
    public static let longestTime = 315_360_000.0

    private static let read = Statement(
        "store_read",
        """
        select value from store
        where tenant = $1::bigint and service = $2::bigint and key = $3::text
            and (expires_at is null or expires_at > now())
        """)
    private static let clear = Statement(
        "store_clear",
        "delete from store where tenant = $1::bigint and service = $2::bigint and expires_at <= now()")
    private static let write = Statement(
        "store_write",
        """
        insert into store (tenant, service, key, value, expires_at)
        select $1::bigint, $2::bigint, $3::text, $4::bytea, now() + make_interval(secs => $5::double precision)
        where $6::bigint > (
            select count(*) from store where tenant = $1::bigint and service = $2::bigint and key <> $3::text
        )
        on conflict (tenant, service, key) do update set value = excluded.value, expires_at = excluded.expires_at
        """)
    private static let remove = Statement(
        "store_remove",
        "delete from store where tenant = $1::bigint and service = $2::bigint and key = $3::text")

    /// The value of a key; null where there is none, or its time is over.
    /// - Throws: ``ServiceError`` 400 for a key that none can be; `DatabaseError`.
    public func value(of key: String) async throws -> JSONText {
        try Self.check(key)
        let sealed = try await catalog.database.tenant(tenant.id).read { [id = tenant.id, service] sql in
            try sql.query(Self.read, id.rawValue, service, key).first?.decode([UInt8].self)
        }
        guard let sealed else { return .null }
        return try JSONText(checking: try tenant.dataKey.open(sealed, label: label))
    }

    /// Sets a key.
    /// - Parameter ttl: in seconds, above 0 and at most ten years; nil for no end.
    /// - Throws: ``ServiceError`` 400 for what can not be stored, and where the service has too many keys; `DatabaseError`.
    public func set(_ key: String, to value: JSONText, ttl: Double?) async throws {
        try Self.check(key)
        guard value.text.utf8.count <= Self.largestValue else {
            throw ServiceError.badRequest(
                "platform.store takes values of \(Self.largestValue) bytes at most; that of '\(key)' has \(value.text.utf8.count)."
            )
        }
        if let ttl, !(ttl > 0 && ttl <= Self.longestTime) {
            throw ServiceError.badRequest(
                "platform.store takes a time to live above 0 and up to \(Int(Self.longestTime)) seconds; '\(key)' was given \(JSONText.number(ttl))."
            )
        }
        let sealed = try tenant.dataKey.seal(Array(value.text.utf8), label: label)
        let count = try await catalog.database.tenant(tenant.id).transaction { [id = tenant.id, service] sql in
            try sql.execute(Self.clear, id.rawValue, service)
            return try sql.execute(Self.write, id.rawValue, service, key, sealed, ttl, Int64(Self.mostKeys))
        }
        guard count > 0 else {
            throw ServiceError.badRequest(
                "platform.store holds \(Self.mostKeys) keys of a service at most: delete some before '\(key)' is set.")
        }
    }

    /// Forgets a key. False where there was none.
    public func delete(_ key: String) async throws -> Bool {
        try Self.check(key)
        return try await catalog.database.tenant(tenant.id).transaction { [id = tenant.id, service] sql in
            try sql.execute(Self.remove, id.rawValue, service, key)
        } > 0
    }

    private var label: String { "store:\(service)" }

    private static func check(_ key: String) throws(ServiceError) {
        guard (1...longestKey).contains(key.utf8.count), !key.utf8.contains(0) else {
            throw .badRequest("A key of platform.store has 1 to \(longestKey) bytes, and no NUL.")
        }
    }
}
