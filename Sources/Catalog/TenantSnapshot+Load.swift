import Core
import Database

extension TenantSnapshot {
    private static let tenantRow = Statement(
        "catalog_tenant",
        """
        select name, label, suspended, quotas, data_key, created_at from tenant
        where id = $1::bigint and deleted_at is null
        """)
    private static let appRows = Statement(
        "catalog_apps",
        "select id, name, description, is_active, key_hash, role from app where tenant = $1::bigint")
    private static let roleRows = Statement(
        "catalog_roles", "select id, name, is_active from role where tenant = $1::bigint")
    private static let serviceRows = Statement(
        "catalog_services",
        """
        select s.id, s.name, s.label, s.description, s.is_active, s.type, v.version, v.config, s.doc_paths
        from service s
        join service_version v on v.tenant = s.tenant and v.service = s.id and v.version = s.version
        where s.tenant = $1::bigint
        """)
    private static let eventScriptRows = Statement(
        "catalog_event_scripts",
        """
        select s.id, s.name, s.version, v.language, s.allow_event_modification
        from event_script s
        join event_script_version v on v.tenant = s.tenant and v.script = s.id and v.version = s.version
        where s.tenant = $1::bigint and s.is_active
        """)
    private static let revokedRows = Statement(
        "catalog_revoked_tokens",
        "select token from revoked_token where tenant = $1::bigint and expires_at > now()")

    /// Reads the tenant; nil where it does not exist.
    static func load(_ id: TenantID, from database: Database, keyRing: SecretKeyRing) async throws -> TenantSnapshot? {
        try await database.tenant(id).read { sql in
            guard let row = try sql.query(tenantRow, id.rawValue).first else { return nil }
            let (name, label, suspended, quotas, wrapped, createdAt) = try row.decode(
                String.self, String.self, Bool.self, String.self, [UInt8].self, Timestamp.self)
            let key = try dataKey(wrapped, keyRing)
            return TenantSnapshot(
                id: id, name: name, label: label, suspended: suspended,
                quotas: Quotas(json: JSONText(trusted: quotas)), createdAt: createdAt,
                dataKey: key,
                apps: try apps(sql, id), roles: try roles(sql, id), services: try services(sql, id),
                eventScripts: try eventScripts(sql, id),
                revokedTokens: Set(
                    try sql.query(revokedRows, id.rawValue).map { try $0.decode(JobID.self) }),
                lookups: try LookupRows(id, key).shared(sql))
        }
    }

    /// Only where another process was started with another secret key, after this one had been.
    static func dataKey(_ wrapped: [UInt8], _ keyRing: SecretKeyRing) throws(ServiceError) -> DataKey {
        do {
            return try keyRing.unwrap(wrapped)
        } catch {
            throw ServiceError(
                500,
                "This tenant's data is sealed with another secret key than this process has. The operator gives all"
                    + " processes the same SCRIPTORIUM_SECRET_KEY.")
        }
    }

    private static func apps(_ sql: borrowing SQLSession, _ id: TenantID) throws -> [Int64: App] {
        let rows = try sql.query(appRows, id.rawValue).map { row in
            let (id, name, description, isActive, keyHash, role) = try row.decode(
                Int64.self, String.self, String.self, Bool.self, [UInt8].self, Int64?.self)
            return App(
                id: id, name: name, description: description, isActive: isActive, keyHash: keyHash, role: role)
        }
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.id, $0) })
    }

    private static func roles(_ sql: borrowing SQLSession, _ id: TenantID) throws -> [Int64: Role] {
        var roles: [Int64: Role] = [:]
        for row in try sql.query(roleRows, id.rawValue) {
            let (id, name, isActive) = try row.decode(Int64.self, String.self, Bool.self)
            roles[id] = Role(id: id, name: name, accesses: [], isActive: isActive)
        }
        for (role, accesses) in try Roles.accesses(sql, id) {
            roles[role]?.accesses = accesses.map { access in
                var access = access
                access.service = access.service?.lowercased()
                return access
            }
        }
        return roles
    }

    private static func services(_ sql: borrowing SQLSession, _ id: TenantID) throws -> [String: TenantService] {
        let rows = try sql.query(serviceRows, id.rawValue).map { row in
            let (id, name, label, description, isActive, type, version, config, paths) = try row.decode(
                Int64.self, String.self, String.self, String.self, Bool.self, String.self, Int32.self, String.self,
                String?.self)
            return TenantService(
                id: id, name: name, label: label, description: description, isActive: isActive, type: type,
                version: version, config: JSONText(trusted: config),
                paths: TenantService.paths(JSONText(trusted: paths ?? "{}")))
        }
        // Where two names differ in case only, the older one answers: a URL's name is compared in lower case.
        return Dictionary(rows.sorted { $0.id < $1.id }.map { ($0.name.lowercased(), $0) }) { first, _ in first }
    }

    private static func eventScripts(_ sql: borrowing SQLSession, _ id: TenantID) throws -> [String: EventScript] {
        var scripts: [String: EventScript] = [:]
        for row in try sql.query(eventScriptRows, id.rawValue) {
            let (id, name, version, language, allows) = try row.decode(
                Int64.self, String.self, Int32.self, String.self, Bool.self)
            guard let language = ScriptLanguage(rawValue: language) else { continue }
            scripts[name] = EventScript(
                id: id, name: name, version: version, language: language, allowsModification: allows)
        }
        return scripts
    }
}
