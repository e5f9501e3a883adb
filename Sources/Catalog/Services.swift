import Core
import Database

/// The services of a tenant and the versions of their scripts.
public struct Services: Sendable {
    let tenant: TenantID
    let catalog: Catalog

    /// What an author saves.
    public struct Draft: Sendable {
        public var name: String
        public var label: String
        public var description: String
        public var isActive: Bool
        public var language: ScriptLanguage
        public var content: String
        /// `config` without `content`.
        public var config: JSONText
        /// The OpenAPI document, as given.
        public var doc: String?

        public init(
            name: String, label: String, description: String, isActive: Bool, language: ScriptLanguage,
            content: String, config: JSONText, doc: String?
        ) {
            self.name = name
            self.label = label
            self.description = description
            self.isActive = isActive
            self.language = language
            self.content = content
            self.config = config
            self.doc = doc
        }
    }

    /// A service as `system/service` shows it.
    public struct Record: Sendable {
        public var id: Int64
        public var draft: Draft
        public var version: Int32
        public var createdAt: Timestamp
        public var modifiedAt: Timestamp
        public var createdBy: Int64?
        public var modifiedBy: Int64?
    }

    private static let create = Statement(
        "service_create",
        """
        insert into service (tenant, id, name, label, description, is_active, type, version, doc, created_by, modified_by)
        values ($1::bigint, next_id($1::bigint), $2::text, $3::text, $4::text, $5::boolean, $6::text, 1, $7::text,
            $8::bigint, $8::bigint)
        returning id
        """)
    private static let createVersion = Statement(
        "service_create_version",
        """
        insert into service_version (tenant, service, version, language, content, config, created_by)
        select $1::bigint, $2::bigint, coalesce(max(version), 0) + 1, $3::text, $4::text, $5::text, $6::bigint
        from service_version where tenant = $1::bigint and service = $2::bigint
        returning version
        """)
    private static let update = Statement(
        "service_update",
        """
        update service set name = $3::text, label = $4::text, description = $5::text, is_active = $6::boolean,
            type = $7::text, version = $8::integer, doc = $9::text, modified_by = $10::bigint, modified_at = now()
        where tenant = $1::bigint and id = $2::bigint
        """)
    private static let lock = Statement(
        "service_lock",
        "select version from service where tenant = $1::bigint and id = $2::bigint for update")
    private static let remove = Statement(
        "service_delete", "delete from service where tenant = $1::bigint and id = $2::bigint")
    private static let list = Statement(
        "service_list",
        """
        select s.id, s.name, s.label, s.description, s.is_active, v.language, v.content, v.config, s.doc, v.version,
            s.created_at, s.modified_at, s.created_by, s.modified_by
        from service s
        join service_version v on v.tenant = s.tenant and v.service = s.id and v.version = s.version
        where s.tenant = $1::bigint and ($2::bigint is null or s.id = $2::bigint)
        order by s.id
        """)
    private static let script = Statement(
        "service_script",
        """
        select language, content, config from service_version
        where tenant = $1::bigint and service = $2::bigint and version = $3::integer
        """)

    /// Stores a new service with the first version of its script.
    /// - Throws: ``ServiceError`` 400 where the name is taken; `DatabaseError`.
    public func create(_ draft: Draft, by account: Int64?) async throws -> Int64 {
        try await create([draft], by: account)[0]
    }

    /// Stores new services, all or none.
    /// - Throws: as ``create(_:by:)-(Draft,_)``.
    public func create(_ drafts: [Draft], by account: Int64?) async throws -> [Int64] {
        let ids = try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            var ids: [Int64] = []
            for (index, draft) in drafts.enumerated() {
                ids.append(
                    try ServiceError.marking(record: index) { try Self.add(draft, sql, tenant, by: account) })
            }
            return ids
        }
        await catalog.changed(tenant)
        return ids
    }

    private static func add(
        _ draft: Draft, _ sql: borrowing SQLSession, _ tenant: TenantID, by account: Int64?
    ) throws -> Int64 {
        do {
            let row = try sql.query(
                create, tenant.rawValue, draft.name, draft.label, draft.description, draft.isActive,
                draft.language.rawValue, draft.doc, account
            ).first
            guard let id = try row?.decode(Int64.self) else { throw notStored }
            _ = try addVersion(sql, tenant, id, draft, by: account)
            return id
        } catch let error as DatabaseError where error.code == .uniqueViolation {
            throw taken(draft.name)
        }
    }

    private static let notStored = ServiceError(500, "The service was not stored.")

    private static func taken(_ name: String) -> ServiceError {
        .badRequest("A service named '\(name)' exists already. Choose another name.")
    }

    /// What a service is to become.
    public struct Change: Sendable {
        let id: Int64
        let make: @Sendable (Draft) throws -> Draft

        /// - Parameter make: makes the new draft from the one that is stored, while nobody else can change it.
        public init(_ id: Int64, _ make: @escaping @Sendable (Draft) throws -> Draft) {
            self.id = id
            self.make = make
        }
    }

    /// Writes services, all or none; a script or config that differs becomes a new version.
    /// - Throws: ``ServiceError`` 404 for one that does not exist, 400 where a name is taken, and what a change throws, each
    ///   with the record that it is about; `DatabaseError`.
    public func update(_ changes: [Change], by account: Int64?) async throws {
        try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            for (index, change) in changes.enumerated() {
                try ServiceError.marking(record: index) { try Self.apply(change, sql, tenant, by: account) }
            }
        }
        await catalog.changed(tenant)
    }

    private static func apply(
        _ change: Change, _ sql: borrowing SQLSession, _ tenant: TenantID, by account: Int64?
    ) throws {
        let id = change.id
        guard let current = try sql.query(lock, tenant.rawValue, id).first?.decode(Int32.self),
            let old = try sql.query(list, tenant.rawValue, id).first.map(record)
        else { throw ServiceError.notFound("Record with identifier '\(id)' not found.") }
        let draft = try change.make(old.draft)
        let isSame =
            old.draft.content == draft.content && old.draft.config == draft.config
            && old.draft.language == draft.language
        let version = isSame ? current : try addVersion(sql, tenant, id, draft, by: account)
        do {
            try sql.execute(
                update, tenant.rawValue, id, draft.name, draft.label, draft.description, draft.isActive,
                draft.language.rawValue, version, draft.doc, account)
        } catch let error as DatabaseError where error.code == .uniqueViolation {
            throw taken(draft.name)
        }
    }

    /// Removes services and their versions, all or none. Jobs that were accepted for them and have not run fail.
    /// - Throws: ``ServiceError`` 404 for one that does not exist, with the record that it is about.
    public func delete(_ ids: [Int64]) async throws {
        try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            for (index, id) in ids.enumerated() {
                try ServiceError.marking(record: index) {
                    guard try sql.execute(Self.remove, tenant.rawValue, id) > 0 else {
                        throw ServiceError.notFound("Record with identifier '\(id)' not found.")
                    }
                }
            }
        }
        await catalog.changed(tenant)
    }

    /// All services, or the one with this id, in the order of their ids.
    public func records(id: Int64? = nil) async throws -> [Record] {
        try await catalog.database.tenant(tenant).read { [tenant] sql in
            try sql.query(Self.list, tenant.rawValue, id).map(Self.record)
        }
    }

    /// A version of a script; nil where there is none.
    func script(_ reference: ScriptReference) async throws -> Script? {
        try await catalog.database.tenant(tenant).read { sql in
            let rows = try sql.query(
                Self.script, reference.tenant.rawValue, reference.service, reference.version)
            guard let row = rows.first else { return nil }
            let (language, content, config) = try row.decode(String.self, String.self, String.self)
            return ScriptLanguage(rawValue: language).map {
                Script(language: $0, source: content, config: JSONText(trusted: config))
            }
        }
    }

    private static func addVersion(
        _ sql: borrowing SQLSession, _ tenant: TenantID, _ id: Int64, _ draft: Draft, by account: Int64?
    ) throws -> Int32 {
        let rows = try sql.query(
            createVersion, tenant.rawValue, id, draft.language.rawValue, draft.content, draft.config.text, account)
        return try rows.first?.decode(Int32.self) ?? 0
    }

    private static func record(_ row: Row) throws -> Record {
        let (
            id, name, label, description, isActive, language, content, config, doc, version, createdAt, modifiedAt,
            createdBy, modifiedBy
        ) = try row.decode(
            Int64.self, String.self, String.self, String.self, Bool.self, String.self, String.self, String.self,
            String?.self, Int32.self, Timestamp.self, Timestamp.self, Int64?.self, Int64?.self)
        return Record(
            id: id,
            draft: Draft(
                name: name, label: label, description: description, isActive: isActive,
                language: ScriptLanguage(rawValue: language) ?? .nodejs, content: content,
                config: JSONText(trusted: config), doc: doc),
            version: version, createdAt: createdAt, modifiedAt: modifiedAt, createdBy: createdBy,
            modifiedBy: modifiedBy)
    }
}
