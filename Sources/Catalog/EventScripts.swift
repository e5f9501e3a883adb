import Core
import Database

/// The event scripts of a tenant and their versions.
public struct EventScripts: Sendable {
    let tenant: TenantID
    let catalog: Catalog

    /// What an author saves.
    public struct Draft: Sendable, Hashable {
        public var name: String
        public var isActive: Bool
        public var allowsModification: Bool
        public var language: ScriptLanguage
        public var content: String
        /// Kept as given; nil without one.
        public var config: String?

        public init(
            name: String, isActive: Bool, allowsModification: Bool, language: ScriptLanguage, content: String,
            config: String?
        ) {
            self.name = name
            self.isActive = isActive
            self.allowsModification = allowsModification
            self.language = language
            self.content = content
            self.config = config
        }
    }

    /// An event script as `system/event_script` shows it.
    public struct Record: Sendable {
        public var draft: Draft
        public var version: Int32
        public var createdAt: Timestamp
        public var modifiedAt: Timestamp
        public var createdBy: Int64?
        public var modifiedBy: Int64?
    }

    private static let list = Statement(
        "event_script_list",
        """
        select s.name, s.is_active, s.allow_event_modification, v.language, v.content, v.config, s.version, s.created_at,
            s.modified_at, s.created_by, s.modified_by
        from event_script s
        join event_script_version v on v.tenant = s.tenant and v.script = s.id and v.version = s.version
        where s.tenant = $1::bigint and ($2::text is null or s.name = $2::text)
        order by s.name
        """)
    private static let lock = Statement(
        "event_script_lock",
        "select id, version from event_script where tenant = $1::bigint and name = $2::text for update")
    private static let create = Statement(
        "event_script_create",
        """
        insert into event_script (tenant, id, name, version, is_active, allow_event_modification, created_by, modified_by)
        values ($1::bigint, next_id($1::bigint), $2::text, 1, $3::boolean, $4::boolean, $5::bigint, $5::bigint)
        returning id
        """)
    private static let update = Statement(
        "event_script_update",
        """
        update event_script set version = $3::integer, is_active = $4::boolean, allow_event_modification = $5::boolean,
            modified_by = $6::bigint, modified_at = now()
        where tenant = $1::bigint and id = $2::bigint
        """)
    private static let createVersion = Statement(
        "event_script_create_version",
        """
        insert into event_script_version (tenant, script, version, language, content, config, created_by)
        values ($1::bigint, $2::bigint, $3::integer, $4::text, $5::text, $6::text, $7::bigint)
        """)
    private static let remove = Statement(
        "event_script_delete", "delete from event_script where tenant = $1::bigint and name = any ($2::text[])")
    private static let source = Statement(
        "event_script_source",
        """
        select language, content from event_script_version
        where tenant = $1::bigint and script = $2::bigint and version = $3::integer
        """)

    /// All event scripts, or the one with this name, in the order of their names.
    public func records(name: String? = nil) async throws -> [Record] {
        try await catalog.database.tenant(tenant).read { [tenant] sql in
            try sql.query(Self.list, tenant.rawValue, name).map(Self.record)
        }
    }

    /// One save: which script, and what it becomes.
    public struct Change: Sendable {
        public var name: String
        /// From what is stored, nil where nothing is, to what is to be stored.
        public var draft: @Sendable (Draft?) throws -> Draft

        public init(name: String, draft: @escaping @Sendable (Draft?) throws -> Draft) {
            self.name = name
            self.draft = draft
        }
    }

    /// Writes scripts, new ones and known ones, all or none; a source that differs becomes a new version.
    /// - Returns: which of them are new.
    public func save(_ changes: [Change], by account: Int64?) async throws -> Set<String> {
        try await catalog.write(tenant) { [tenant] sql, _ in
            var made: Set<String> = []
            for change in changes where try Self.save(sql, tenant, change, by: account) { made.insert(change.name) }
            return made
        }
    }

    private static func save(
        _ sql: borrowing SQLSession, _ tenant: TenantID, _ change: Change, by account: Int64?
    ) throws -> Bool {
        guard let row = try sql.query(lock, tenant.rawValue, change.name).first,
            let old = try sql.query(list, tenant.rawValue, change.name).first.map(record)
        else {
            let draft = try change.draft(nil)
            let rows = try sql.query(
                create, tenant.rawValue, draft.name, draft.isActive, draft.allowsModification, account)
            guard let id = try rows.first?.decode(Int64.self) else {
                throw ServiceError(500, "The event script was not stored.")
            }
            try addVersion(sql, tenant, id, 1, draft, by: account)
            return true
        }
        let (id, current) = try row.decode(Int64.self, Int32.self)
        let draft = try change.draft(old.draft)
        var version = current
        if (old.draft.content, old.draft.language, old.draft.config) != (draft.content, draft.language, draft.config) {
            version += 1
            try addVersion(sql, tenant, id, version, draft, by: account)
        }
        try sql.execute(
            update, tenant.rawValue, id, version, draft.isActive, draft.allowsModification, account)
        return false
    }

    private static func addVersion(
        _ sql: borrowing SQLSession, _ tenant: TenantID, _ id: Int64, _ version: Int32, _ draft: Draft,
        by account: Int64?
    ) throws {
        try sql.execute(
            createVersion, tenant.rawValue, id, version, draft.language.rawValue, draft.content, draft.config, account)
    }

    /// Removes scripts and their versions. Jobs that were accepted with them run without them.
    public func delete(_ names: [String]) async throws {
        _ = try await catalog.write(tenant) { [tenant] sql, _ in
            try sql.execute(Self.remove, tenant.rawValue, SQLArray(names))
        }
    }

    /// A version of a script; nil where there is none.
    func source(_ id: Int64, version: Int32) async throws -> Script? {
        try await catalog.database.tenant(tenant).read { [tenant] sql in
            guard let row = try sql.query(Self.source, tenant.rawValue, id, version).first else { return nil }
            let (language, content) = try row.decode(String.self, String.self)
            return ScriptLanguage(rawValue: language).map {
                Script(language: $0, source: content, config: .emptyObject)
            }
        }
    }

    private static func record(_ row: Row) throws -> Record {
        let (
            name, isActive, allows, language, content, config, version, createdAt, modifiedAt, createdBy, modifiedBy
        ) = try row.decode(
            String.self, Bool.self, Bool.self, String.self, String.self, String?.self, Int32.self, Timestamp.self,
            Timestamp.self, Int64?.self, Int64?.self)
        return Record(
            draft: Draft(
                name: name, isActive: isActive, allowsModification: allows,
                language: ScriptLanguage(rawValue: language) ?? .nodejs, content: content, config: config),
            version: version, createdAt: createdAt, modifiedAt: modifiedAt, createdBy: createdBy,
            modifiedBy: modifiedBy)
    }
}
