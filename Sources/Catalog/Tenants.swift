import Core
import Database

extension Catalog {
    /// What a new tenant's owner gets to see once and never again.
    public struct NewTenant: Sendable {
        public let id: TenantID
        public let name: TenantName
        public let adminEmail: String
        public let adminPassword: String
        public let apiKey: String
    }

    private static let createRole = Statement(
        "catalog_create_role",
        """
        insert into role (tenant, id, name, description)
        values ($1::bigint, next_id($1::bigint), $2::text, $3::text) returning id
        """)
    private static let createAccess = Statement(
        "catalog_create_role_access",
        """
        insert into role_access (tenant, role, id, service, component, verb_mask, requestor_mask)
        values ($1::bigint, $2::bigint, next_id($1::bigint), null, '*', $3::integer, $4::integer)
        """)

    /// Makes a tenant with its data key, an admin, a default role and a first app.
    ///
    /// The default role has all verbs on every service but `system`, for callers and for scripts.
    /// - Parameter quotas: a checked object of those that differ from the defaults.
    /// - Throws: ``ServiceError`` 409 where the name is taken; `DatabaseError`.
    public func createTenant(name: TenantName, label: String, quotas: JSONText) async throws -> NewTenant {
        let password = RandomSecret.password()
        let key = RandomSecret.apiKey()
        let email = "admin@\(name).local"
        let (_, wrapped) = try keyRing.makeDataKey()
        let passwordHash = try await offPool { try Password.hash(password) }
        let id: TenantID
        do {
            id = try await database.system.transaction { sql in
                let row = try sql.query(SystemStatements.createTenant, name.text, label, quotas.text, wrapped).first
                return TenantID(rawValue: try row?.decode(Int64.self) ?? 0)
            }
        } catch let error as DatabaseError where error.code == .uniqueViolation {
            throw ServiceError(409, "A tenant named '\(name)' exists already. Choose another name.")
        }
        try await database.tenant(id).transaction { sql in
            let rows = try sql.query(
                Self.createRole, id.rawValue, "default", "All verbs on every service but system.")
            guard let role = try rows.first?.decode(Int64.self) else { return }
            try sql.execute(Self.createAccess, id.rawValue, role, Int32(Verb.allMask), Int32(3))
            try sql.execute(
                Apps.create, id.rawValue, "default", "The tenant's first app.", true, sha256(key), role)
            try sql.execute(
                Accounts.create, id.rawValue, true, email, passwordHash, "Administrator", nil, nil, true, nil)
        }
        await changed(id)
        return NewTenant(id: id, name: name, adminEmail: email, adminPassword: password, apiKey: key)
    }
}
