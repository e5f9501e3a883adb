import Core
import Database

/// The roles of a tenant, with their rows.
public struct Roles: Sendable {
    let tenant: TenantID
    let catalog: Catalog

    /// A role as `system/role` shows it. Rows and lookups without an id are new.
    public struct Record: Sendable {
        /// 0 for one that is not stored yet.
        public var id: Int64 = 0
        public var name = ""
        public var description = ""
        public var isActive = true
        public var accesses: [Role.Access] = []
        public var lookups: [Lookup] = []
        public var stamp = RecordStamp()

        public init() {}
    }

    private static let list = Statement(
        "role_list",
        """
        select id, name, description, is_active, created_at, modified_at, created_by, modified_by
        from role where tenant = $1::bigint and ($2::bigint is null or id = $2::bigint) order by id
        """)
    private static let lock = Statement(
        "role_lock", "select id from role where tenant = $1::bigint and id = $2::bigint for update")
    private static let create = Statement(
        "role_create",
        """
        insert into role (tenant, id, name, description, is_active, created_by, modified_by)
        values ($1::bigint, next_id($1::bigint), $2::text, $3::text, $4::boolean, $5::bigint, $5::bigint)
        returning id
        """)
    private static let update = Statement(
        "role_update",
        """
        update role set name = $3::text, description = $4::text, is_active = $5::boolean, modified_by = $6::bigint,
            modified_at = now()
        where tenant = $1::bigint and id = $2::bigint
        """)
    private static let remove = Statement(
        "role_delete", "delete from role where tenant = $1::bigint and id = $2::bigint")
    private static let accesses = Statement(
        "role_accesses",
        """
        select a.role, a.id, a.service, s.name, a.component, a.verb_mask, a.requestor_mask, a.filters, a.filter_op
        from role_access a
        left join service s on s.tenant = a.tenant and s.id = a.service
        where a.tenant = $1::bigint and ($2::bigint is null or a.role = $2::bigint)
        union all
        select role, id, null, service, component, verb_mask, requestor_mask, filters, filter_op
        from role_platform_access
        where tenant = $1::bigint and ($2::bigint is null or role = $2::bigint)
        order by 2
        """)
    private static let removeAccesses = Statement(
        "role_delete_accesses",
        """
        with own as (
            delete from role_access
            where tenant = $1::bigint and role = $2::bigint and not id = any ($3::bigint[])
        )
        delete from role_platform_access
        where tenant = $1::bigint and role = $2::bigint and not id = any ($3::bigint[])
        """)
    private static let createAccess = Statement(
        "role_create_access",
        """
        insert into role_access
            (tenant, role, id, service, component, verb_mask, requestor_mask, filters, filter_op)
        values ($1::bigint, $2::bigint, coalesce($3::bigint, next_id($1::bigint)), $4::bigint, $5::text, $6::integer,
            $7::integer, $8::text, $9::text)
        returning id
        """)
    private static let createPlatformAccess = Statement(
        "role_create_platform_access",
        """
        insert into role_platform_access
            (tenant, role, id, service, component, verb_mask, requestor_mask, filters, filter_op)
        values ($1::bigint, $2::bigint, coalesce($3::bigint, next_id($1::bigint)), $4::text, $5::text, $6::integer,
            $7::integer, $8::text, $9::text)
        returning id
        """)

    /// How many rows a role may have.
    public static let mostAccesses = 1000

    /// All roles, or the one with this id, in the order of their ids.
    public func records(id: Int64? = nil) async throws -> [Record] {
        try await catalog.database.tenant(tenant).read { [tenant, ring = catalog.keyRing] sql in
            try Self.records(sql, tenant, id, ring)
        }
    }

    /// Stores new roles, all or none.
    /// - Throws: ``ServiceError`` 400 where a name is taken or a service does not exist; `DatabaseError`.
    public func create(_ records: [Record], by account: Int64?) async throws -> [Record] {
        try await catalog.write(tenant) { sql, ring in
            try ServiceError.marking(each: records) { record in
                try Self.faults.explaining(record.name) {
                    let row = try sql.query(
                        Self.create, tenant.rawValue, record.name, record.description, record.isActive, account
                    ).first
                    guard let id = try row?.decode(Int64.self) else {
                        throw ServiceError(500, "The role was not stored.")
                    }
                    var old = Record()
                    old.id = id
                    try writeRows(of: record, over: old, account, sql, ring)
                    return try Self.stored(id, sql, tenant, ring)
                }
            }
        }
    }

    /// Changes roles, all or none.
    /// - Parameter changes: for each id what makes the new record from the one that is stored, while nobody else can change
    ///   it. Rows and lookups that it leaves out go.
    /// - Throws: ``ServiceError`` 404 with the first id that does not exist, else as `create`; what a change throws.
    public func update(
        _ changes: [(id: Int64, change: @Sendable (Record) throws -> Record)], by account: Int64?
    ) async throws -> [Record] {
        try await catalog.write(tenant) { sql, ring in
            try ServiceError.marking(each: changes) { id, change in
                guard try !sql.query(Self.lock, tenant.rawValue, id).isEmpty else {
                    throw ServiceError.missingRecord(id)
                }
                let old = try Self.stored(id, sql, tenant, ring)
                let new = try change(old)
                return try Self.faults.explaining(new.name) {
                    try sql.execute(
                        Self.update, tenant.rawValue, id, new.name, new.description, new.isActive, account)
                    try writeRows(of: new, over: old, account, sql, ring)
                    return try Self.stored(id, sql, tenant, ring)
                }
            }
        }
    }

    /// Removes roles, all or none. Who had one keeps its number, and may nothing; apps that had it have none.
    /// - Throws: ``ServiceError`` 404 with the first id that does not exist.
    public func delete(_ ids: [Int64]) async throws {
        try await catalog.write(tenant) { sql, _ in
            _ = try ServiceError.marking(each: ids) { id in
                guard try sql.execute(Self.remove, tenant.rawValue, id) > 0 else {
                    throw ServiceError.missingRecord(id)
                }
            }
        }
    }

    private func writeRows(
        of record: Record, over old: Record, _ account: Int64?, _ sql: borrowing SQLSession, _ ring: SecretKeyRing
    ) throws {
        guard record.accesses.count <= Self.mostAccesses else {
            throw ServiceError.badRequest("A role may have \(Self.mostAccesses) rows at most.")
        }
        let kept = record.accesses.filter(old.accesses.contains).map(\.id)
        if kept.count < old.accesses.count {
            try sql.execute(Self.removeAccesses, tenant.rawValue, old.id, SQLArray(kept))
        }
        for access in record.accesses where !old.accesses.contains(access) {
            let id = access.id == 0 ? nil : access.id
            if let service = access.service, access.serviceID == nil {
                _ = try sql.query(
                    Self.createPlatformAccess, tenant.rawValue, old.id, id, service, access.component,
                    Int32(access.verbMask), Int32(access.requestorMask), access.filters.text, access.filterOp)
            } else {
                _ = try sql.query(
                    Self.createAccess, tenant.rawValue, old.id, id, access.serviceID, access.component,
                    Int32(access.verbMask), Int32(access.requestorMask), access.filters.text, access.filterOp)
            }
        }
        guard record.lookups != old.lookups else { return }
        _ = try LookupRows(sql, tenant, ring).write(
            record.lookups, of: .role(old.id), was: old.lookups, by: account, sql)
    }

    private static func stored(
        _ id: Int64, _ sql: borrowing SQLSession, _ tenant: TenantID, _ ring: SecretKeyRing
    ) throws -> Record {
        guard let record = try records(sql, tenant, id, ring).first else { throw ServiceError.missingRecord(id) }
        return record
    }

    private static func records(
        _ sql: borrowing SQLSession, _ tenant: TenantID, _ id: Int64?, _ ring: SecretKeyRing
    ) throws -> [Record] {
        let rows = try sql.query(list, tenant.rawValue, id)
        guard !rows.isEmpty else { return [] }
        let accesses = try accesses(sql, tenant, of: id)
        let sealed = try LookupRows(sql, tenant, ring)
        let lookups = try id.map { try sealed.all(sql, of: .role($0)) } ?? sealed.shared(sql)
        return try rows.map { row in
            var record = Record()
            (
                record.id, record.name, record.description, record.isActive, record.stamp.createdAt,
                record.stamp.modifiedAt, record.stamp.createdBy, record.stamp.modifiedBy
            ) = try row.decode(
                Int64.self, String.self, String.self, Bool.self, Timestamp.self, Timestamp.self, Int64?.self,
                Int64?.self)
            record.accesses = accesses[record.id] ?? []
            record.lookups = lookups[.role(record.id)] ?? []
            return record
        }
    }

    /// The rows of all roles, or of one, by their roles.
    static func accesses(
        _ sql: borrowing SQLSession, _ tenant: TenantID, of id: Int64? = nil
    ) throws -> [Int64: [Role.Access]] {
        var found: [Int64: [Role.Access]] = [:]
        for row in try sql.query(accesses, tenant.rawValue, id) {
            let (role, id, service, name, component, verbs, requestors, filters, filterOp) = try row.decode(
                Int64.self, Int64.self, Int64?.self, String?.self, String.self, Int32.self, Int32.self, String.self,
                String.self)
            var access = Role.Access(
                service: name, component: component, verbMask: Int(verbs), requestorMask: Int(requestors))
            access.id = id
            access.serviceID = service
            access.filters = JSONText(trusted: filters)
            access.filterOp = filterOp
            found[role, default: []].append(access)
        }
        return found
    }

    private static let faults = NamedRecordFaults(
        kind: "A role", reference: "'service_id' names a service that does not exist.")
}
