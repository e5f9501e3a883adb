import Core
import Database

/// The people of a tenant who can sign in.
public struct Accounts: Sendable {
    let tenant: TenantID
    let catalog: Catalog

    static let create = Statement(
        "account_create",
        """
        insert into account
            (tenant, id, is_admin, email, password_hash, name, first_name, last_name, is_active, role)
        values ($1::bigint, next_id($1::bigint), $2::boolean, $3::text, $4::text, $5::text, $6::text, $7::text,
            $8::boolean, $9::bigint)
        returning id
        """)
    private static let find = Statement(
        "account_find",
        """
        select id, is_admin, email, username, name, first_name, last_name, is_active, role, last_login_at, token_generation,
            (
                select json_object_agg(r.app, r.role)::text from account_app_role r
                where r.tenant = a.tenant and r.account = a.id
            ),
            password_hash
        from account a where tenant = $1::bigint and id = $2::bigint
        """)
    private static let findByEmail = Statement(
        "account_find_by_email",
        """
        select id, is_admin, email, username, name, first_name, last_name, is_active, role, last_login_at, token_generation,
            (
                select json_object_agg(r.app, r.role)::text from account_app_role r
                where r.tenant = a.tenant and r.account = a.id
            ),
            password_hash
        from account a
        where tenant = $1::bigint and (lower(email) = lower($2::text) or lower(username) = lower($2::text))
        order by lower(email) = lower($2::text) desc limit 1
        """)
    private static let noteLogin = Statement(
        "account_note_login",
        "update account set last_login_at = now() where tenant = $1::bigint and id = $2::bigint")
    private static let setPassword = Statement(
        "account_set_password",
        """
        update account set password_hash = $3::text, modified_at = now()
        where tenant = $1::bigint and lower(email) = lower($2::text)
        """)
    private static let revoke = Statement(
        "account_revoke_token",
        """
        insert into revoked_token (tenant, token, expires_at) values ($1::bigint, $2::uuid, $3::timestamptz)
        on conflict do nothing
        """)

    /// An account; nil where there is none.
    public func find(_ id: Int64) async throws -> Account? {
        try await catalog.database.tenant(tenant).read { [tenant, ring = catalog.keyRing] sql in
            guard let row = try sql.query(Self.find, tenant.rawValue, id).first else { return nil }
            var account = try Self.account(row).account
            let owner = Lookup.Owner.account(id)
            account.lookups = try LookupRows(sql, tenant, ring).all(sql, of: owner)[owner] ?? []
            return account
        }
    }

    /// The active account with this email or user name and this password, its login noted; nil where there is none. It takes as long for an unknown email as
    /// for a wrong password, so that nobody learns from the time who has an account.
    /// - Parameter adminsOnly: whether anybody else is as good as unknown.
    public func authenticate(email: String, password: String, adminsOnly: Bool = false) async throws -> Account? {
        let found = try await findByName(email)
        let hash = found?.passwordHash ?? Self.nobodysHash
        let fits = try await offPool { Password.verify(password, against: hash) }
        guard let account = found?.account, fits, account.isActive, account.isAdmin || !adminsOnly else { return nil }
        try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            _ = try sql.execute(Self.noteLogin, tenant.rawValue, account.id)
        }
        return account
    }

    /// The active account with this email or user name and this password, for a call that brings them along; nil where there
    /// is none. It is no sign-in, so none is noted, and a password that was right a moment ago is not hashed again.
    public func recognise(email: String, password: String) async throws -> Account? {
        let found = try await findByName(email)
        let hash = found?.passwordHash ?? Self.nobodysHash
        if !catalog.recentPasswords.knows(password, for: hash) {
            guard try await offPool({ Password.verify(password, against: hash) }), found != nil else { return nil }
            catalog.recentPasswords.remember(password, for: hash)
        }
        return found.flatMap { $0.account.isActive ? $0.account : nil }
    }

    private func findByName(_ name: String) async throws -> (account: Account, passwordHash: String)? {
        let rows = try await catalog.database.tenant(tenant).read { [tenant] sql in
            try sql.query(Self.findByEmail, tenant.rawValue, name)
        }
        return try rows.first.map { try Self.account($0) }
    }

    /// Sets the password of the account with this email; false where there is none.
    public func setPassword(_ password: String, email: String) async throws -> Bool {
        let hash = try await offPool { try Password.hash(password) }
        let count = try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            try sql.execute(Self.setPassword, tenant.rawValue, email, hash)
        }
        await catalog.changed(tenant)
        return count > 0
    }

    /// Ends a session token before its time.
    public func revoke(token: JobID, expires: Timestamp) async throws {
        try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            _ = try sql.execute(Self.revoke, tenant.rawValue, token, expires)
        }
        await catalog.changed(tenant)
    }

    /// A hash that no password gives, with the parameters of the real ones.
    static let nobodysHash =
        "scrypt$32768$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

    private static func account(_ row: Row) throws -> (account: Account, passwordHash: String) {
        let (
            id, isAdmin, email, username, name, first, last, isActive, role, login, generation, roles, hash
        ) = try row.decode(
            Int64.self, Bool.self, String.self, String?.self, String.self, String?.self, String?.self, Bool.self,
            Int64?.self,
            Timestamp?.self, Int32.self, String?.self, String.self)
        var account = Account(
            id: id, isAdmin: isAdmin, email: email, name: name, firstName: first, lastName: last, isActive: isActive,
            role: role, lastLogin: login?.description)
        account.username = username
        account.tokenGeneration = generation
        for (app, role) in JSONText(trusted: roles ?? "{}").members {
            if let app = Int64(app), let role = role.integer { account.roleOfApp[app] = Int64(role) }
        }
        return (account, hash)
    }
}
