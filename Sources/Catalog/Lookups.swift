import Core
import Database

/// The lookups of a tenant that belong to no app, role or account.
public struct Lookups: Sendable {
    let tenant: TenantID
    let catalog: Catalog

    private static let stamps = Statement(
        "lookup_stamps",
        """
        select id, created_at, modified_at, created_by, modified_by from lookup
        where tenant = $1::bigint and num_nonnulls(app, role, account) = 0
        """)
    /// Whoever changes a lookup waits here for the one before.
    private static let lock = Statement(
        "lookup_lock",
        """
        select id from lookup where tenant = $1::bigint and num_nonnulls(app, role, account) = 0 order by id for update
        """)

    /// All of them with their stamps, in the order of their ids.
    public func records() async throws -> [(lookup: Lookup, stamp: RecordStamp)] {
        try await catalog.database.tenant(tenant).read { [tenant, ring = catalog.keyRing] sql in
            try Self.records(sql, tenant, ring)
        }
    }

    /// Makes and changes lookups, all or none.
    /// - Parameter change: makes the new list from the one that is stored. Those that it leaves out go; those without an id
    ///   are new.
    /// - Returns: all of them afterwards.
    /// - Throws: ``ServiceError`` 400 where there are too many or a name is taken; what the change throws.
    public func update(
        by account: Int64?, _ change: @escaping @Sendable ([Lookup]) throws -> [Lookup]
    ) async throws -> [(lookup: Lookup, stamp: RecordStamp)] {
        do {
            return try await catalog.write(tenant) { [tenant] sql, ring in
                _ = try sql.query(Self.lock, tenant.rawValue)
                let rows = try LookupRows(sql, tenant, ring)
                let old = try rows.shared(sql)[.tenant] ?? []
                _ = try rows.write(try change(old), of: .tenant, was: old, by: account, sql)
                return try Self.records(sql, tenant, ring)
            }
        } catch let error as DatabaseError where error.code == .uniqueViolation {
            throw NamedRecordFaults.lookupTaken
        }
    }

    private static func records(
        _ sql: borrowing SQLSession, _ tenant: TenantID, _ ring: SecretKeyRing
    ) throws -> [(lookup: Lookup, stamp: RecordStamp)] {
        var found: [Int64: RecordStamp] = [:]
        for row in try sql.query(stamps, tenant.rawValue) {
            let id: Int64
            var stamp = RecordStamp()
            (id, stamp.createdAt, stamp.modifiedAt, stamp.createdBy, stamp.modifiedBy) = try row.decode(
                Int64.self, Timestamp.self, Timestamp.self, Int64?.self, Int64?.self)
            found[id] = stamp
        }
        let lookups = try LookupRows(sql, tenant, ring).shared(sql)[.tenant] ?? []
        return lookups.map { (lookup: $0, stamp: found[$0.id] ?? RecordStamp()) }
    }
}
