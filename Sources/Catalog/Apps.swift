import Core
import Database

/// The apps of a tenant.
public struct Apps: Sendable {
    let tenant: TenantID
    let catalog: Catalog

    /// An app as `system/app` shows it.
    public struct Record: Sendable {
        /// Its id and its key's hash do not count where it is to be made.
        public var app: App
        /// DreamFactory's number for where its pages are: 0 none, 1 a file service, 2 a URL, 3 a path.
        public var type: Int32 = 0
        public var path: String?
        public var url: String?
        public var storageService: Int64?
        public var storageContainer: String?
        public var lookups: [Lookup] = []
        public var stamp = RecordStamp()

        public init(_ app: App) { self.app = app }
    }

    static let create = Statement(
        "app_create",
        """
        insert into app (tenant, id, name, description, is_active, key_hash, role)
        values ($1::bigint, next_id($1::bigint), $2::text, $3::text, $4::boolean, $5::bytea, $6::bigint)
        returning id
        """)
    private static let update = Statement(
        "app_update",
        """
        update app set name = $3::text, description = $4::text, is_active = $5::boolean, role = $6::bigint,
            type = $7::integer, path = $8::text, url = $9::text, storage_service = $10::bigint,
            storage_container = $11::text, modified_by = $12::bigint, modified_at = now()
        where tenant = $1::bigint and id = $2::bigint
        """)
    private static let noteMaker = Statement(
        "app_note_maker",
        "update app set created_by = $3::bigint where tenant = $1::bigint and id = $2::bigint")
    private static let lock = Statement(
        "app_lock", "select id from app where tenant = $1::bigint and id = $2::bigint for update")
    private static let list = Statement(
        "app_list",
        """
        select id, name, description, is_active, key_hash, role, type, path, url, storage_service, storage_container,
            created_at, modified_at, created_by, modified_by
        from app where tenant = $1::bigint and ($2::bigint is null or id = $2::bigint) order by id
        """)
    private static let remove = Statement(
        "app_delete", "delete from app where tenant = $1::bigint and id = $2::bigint")

    /// All apps, or the one with this id, in the order of their ids.
    public func records(id: Int64? = nil) async throws -> [Record] {
        try await catalog.database.tenant(tenant).read { [tenant, ring = catalog.keyRing] sql in
            try Self.records(sql, tenant, id, ring)
        }
    }

    /// Makes an app and its key.
    /// - Throws: as ``create(_:by:)``.
    public func create(_ draft: App) async throws -> (app: App, key: String) {
        let made = try await create([Record(draft)], by: nil)[0]
        return (made.record.app, made.key)
    }

    /// Makes apps and their keys, all or none. A key is given back once: only its hash is stored.
    /// - Throws: ``ServiceError`` 400 where a name is taken or a role does not exist; `DatabaseError`.
    public func create(_ drafts: [Record], by account: Int64?) async throws -> [(record: Record, key: String)] {
        try await catalog.write(tenant) { sql, ring in
            try ServiceError.marking(each: drafts) { draft in
                let key = RandomSecret.apiKey()
                let app = draft.app
                return try Self.faults.explaining(app.name) {
                    let row = try sql.query(
                        Self.create, tenant.rawValue, app.name, app.description, app.isActive, sha256(key), app.role
                    ).first
                    guard let id = try row?.decode(Int64.self) else {
                        throw ServiceError(500, "The app was not stored.")
                    }
                    _ = try sql.execute(Self.noteMaker, tenant.rawValue, id, account)
                    return (try store(draft, id, over: [], account, sql, ring), key)
                }
            }
        }
    }

    /// Writes apps, all or none.
    /// - Parameter changes: for each app's id what makes the new record from the one that is stored, while nobody else can
    ///   change it. Lookups that it leaves out go.
    /// - Throws: ``ServiceError`` 404 with the first id that does not exist, 400 as ``create(_:by:)``; what a change throws.
    public func update(
        _ changes: [(id: Int64, change: @Sendable (Record) throws -> Record)], by account: Int64?
    ) async throws -> [Record] {
        try await catalog.write(tenant) { sql, ring in
            try ServiceError.marking(each: changes) { id, change in
                guard try !sql.query(Self.lock, tenant.rawValue, id).isEmpty,
                    let old = try Self.records(sql, tenant, id, ring).first
                else { throw ServiceError.missingRecord(id) }
                let new = try change(old)
                return try Self.faults.explaining(new.app.name) {
                    try store(new, id, over: old.lookups, account, sql, ring)
                }
            }
        }
    }

    /// Removes apps, all or none: their keys stop at once.
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

    private func store(
        _ record: Record, _ id: Int64, over lookups: [Lookup], _ account: Int64?, _ sql: borrowing SQLSession,
        _ ring: SecretKeyRing
    ) throws -> Record {
        let app = record.app
        try sql.execute(
            Self.update, tenant.rawValue, id, app.name, app.description, app.isActive, app.role, record.type,
            record.path, record.url, record.storageService, record.storageContainer, account)
        if record.lookups != lookups {
            _ = try LookupRows(sql, tenant, ring).write(record.lookups, of: .app(id), was: lookups, by: account, sql)
        }
        guard let stored = try Self.records(sql, tenant, id, ring).first else { throw ServiceError.missingRecord(id) }
        return stored
    }

    private static func records(
        _ sql: borrowing SQLSession, _ tenant: TenantID, _ id: Int64?, _ ring: SecretKeyRing
    ) throws -> [Record] {
        let rows = try sql.query(list, tenant.rawValue, id)
        guard !rows.isEmpty else { return [] }
        let sealed = try LookupRows(sql, tenant, ring)
        let lookups = try id.map { try sealed.all(sql, of: .app($0)) } ?? sealed.shared(sql)
        return try rows.map { row in
            var record = Record(App(name: "", role: nil))
            (
                record.app.id, record.app.name, record.app.description, record.app.isActive, record.app.keyHash,
                record.app.role, record.type, record.path, record.url, record.storageService, record.storageContainer,
                record.stamp.createdAt, record.stamp.modifiedAt, record.stamp.createdBy, record.stamp.modifiedBy
            ) = try row.decode(
                Int64.self, String.self, String.self, Bool.self, [UInt8].self, Int64?.self, Int32.self, String?.self,
                String?.self, Int64?.self, String?.self, Timestamp.self, Timestamp.self, Int64?.self, Int64?.self)
            record.lookups = lookups[.app(record.app.id)] ?? []
            return record
        }
    }

    private static let faults = NamedRecordFaults(
        kind: "An app", reference: "'role_id' names a role that does not exist.")
}
