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
            // One transaction: a tenant without its admin and its key would be nobody's.
            id = try await database.system.transaction { sql in
                let tenants = try sql.query(SystemStatements.createTenant, name.text, label, quotas.text, wrapped)
                guard let tenant = try tenants.first?.decode(Int64.self),
                    let role = try sql.query(
                        Self.createRole, tenant, "default", "All verbs on every service but system."
                    ).first?.decode(Int64.self)
                else { throw ServiceError(500, "The tenant was not stored.") }
                try sql.execute(Self.createAccess, tenant, role, Int32(Verb.allMask), Int32(3))
                try sql.execute(
                    Apps.create, tenant, "default", "The tenant's first app.", true, sha256(key), role)
                try sql.execute(
                    Accounts.create, tenant, true, email, passwordHash, "Administrator", nil, nil, true, nil)
                return TenantID(rawValue: tenant)
            }
        } catch let error as DatabaseError where error.code == .uniqueViolation {
            throw ServiceError(409, "A tenant named '\(name)' exists already. Choose another name.")
        }
        await changed(id)
        return NewTenant(id: id, name: name, adminEmail: email, adminPassword: password, apiKey: key)
    }
}
