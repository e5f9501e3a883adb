import Core
import Database

extension Accounts {
    /// The role that an account has with one app.
    public struct AppRole: Sendable, Hashable {
        /// 0 for one that is not stored yet.
        public var id: Int64
        public var app: Int64
        public var role: Int64

        public init(id: Int64 = 0, app: Int64, role: Int64) {
            self.id = id
            self.app = app
            self.role = role
        }
    }

    /// An account as `system/user` and `system/admin` show it.
    public struct Record: Sendable {
        /// 0 for one that is not stored yet.
        public var id: Int64 = 0
        public var email = ""
        public var username: String?
        public var name = ""
        public var firstName: String?
        public var lastName: String?
        public var phone: String?
        public var isActive = true
        public var role: Int64?
        public var lastLogin: Timestamp?
        public var appRoles: [AppRole] = []
        public var lookups: [Lookup] = []
        public var stamp = RecordStamp()
        /// A hash of a new password, see `hash(password:)`; nil keeps the one that is stored. It is never read back.
        public var newPasswordHash: String?

        public init() {}
    }

    /// What is read beside the accounts themselves.
    public struct Parts: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }

        public static let appRoles = Parts(rawValue: 1)
        public static let lookups = Parts(rawValue: 2)
        public static let all: Parts = [.appRoles, .lookups]
    }

    private static let list = Statement(
        "account_list",
        """
        select id, email, username, name, first_name, last_name, phone, is_active, role, last_login_at, created_at,
            modified_at, created_by, modified_by
        from account
        where tenant = $1::bigint and is_admin = $2::boolean and ($3::bigint[] is null or id = any ($3::bigint[]))
        order by id
        """)
    private static let lock = Statement(
        "account_lock",
        """
        select id from account where tenant = $1::bigint and is_admin = $2::boolean and id = $3::bigint for update
        """)
    private static let createRecord = Statement(
        "account_create_record",
        """
        insert into account
            (tenant, id, is_admin, email, password_hash, username, name, first_name, last_name, phone, is_active, role,
                created_by, modified_by)
        values ($1::bigint, next_id($1::bigint), $2::boolean, $3::text, $4::text, $5::text, $6::text, $7::text,
            $8::text, $9::text, $10::boolean, $11::bigint, $12::bigint, $12::bigint)
        returning id
        """)
    private static let update = Statement(
        "account_update",
        """
        update account set email = $3::text, username = $4::text, name = $5::text, first_name = $6::text,
            last_name = $7::text, phone = $8::text, is_active = $9::boolean, role = $10::bigint,
            password_hash = coalesce($11::text, password_hash), modified_by = $12::bigint, modified_at = now()
        where tenant = $1::bigint and id = $2::bigint
        """)
    private static let remove = Statement(
        "account_delete",
        "delete from account where tenant = $1::bigint and is_admin = $2::boolean and id = $3::bigint")
    private static let appRoles = Statement(
        "account_app_roles",
        """
        select account, id, app, role from account_app_role
        where tenant = $1::bigint and ($2::bigint[] is null or account = any ($2::bigint[])) order by id
        """)
    private static let removeAppRoles = Statement(
        "account_delete_app_roles",
        """
        delete from account_app_role
        where tenant = $1::bigint and account = $2::bigint and not id = any ($3::bigint[])
        """)
    private static let createAppRole = Statement(
        "account_create_app_role",
        """
        insert into account_app_role (tenant, account, app, id, role)
        values ($1::bigint, $2::bigint, $3::bigint, coalesce($4::bigint, next_id($1::bigint)), $5::bigint)
        """)
    private static let findRole = Statement(
        "account_find_role", "select id from role where tenant = $1::bigint and id = $2::bigint")
    private static let fullAdmins = Statement(
        "account_full_admins",
        "select id from account where tenant = $1::bigint and is_admin and is_active and role is null limit 1")

    /// How many apps an account may have a role of its own with.
    public static let mostAppRoles = 1000

    /// A password as it is stored. It takes a while, elsewhere than on the pool that serves everybody.
    /// - Parameter password: nil gives a hash that no password has.
    public static func hash(password: String?) async throws -> String {
        guard let password else { return nobodysHash }
        return try await offPool { try Password.hash(password) }
    }

    /// Accounts in the order of their ids.
    /// - Parameters:
    ///   - admins: whether admins or users.
    ///   - ids: nil for all.
    public func records(admins: Bool, ids: [Int64]? = nil, with parts: Parts) async throws -> [Record] {
        try await catalog.database.tenant(tenant).read { [tenant, ring = catalog.keyRing] sql in
            try Self.records(sql, tenant, admins, ids, parts, ring)
        }
    }

    /// Stores new accounts, all or none. One without a password can not sign in.
    /// - Throws: ``ServiceError`` 400 where an email or a user name is taken, or a role or app does not exist.
    public func create(_ records: [Record], admins: Bool, by account: Int64?) async throws -> [Record] {
        try await write { sql, ring in
            let ids = try ServiceError.marking(each: records) { record in
                try Self.checkRoles(of: record, sql, tenant)
                let row = try Self.explaining {
                    try sql.query(
                        Self.createRecord, tenant.rawValue, admins, record.email,
                        record.newPasswordHash ?? Self.nobodysHash, record.username, record.name, record.firstName,
                        record.lastName, record.phone, record.isActive, record.role, account
                    ).first
                }
                guard let id = try row?.decode(Int64.self) else {
                    throw ServiceError(500, "The account was not stored.")
                }
                var old = Record()
                old.id = id
                try writeParts(of: record, over: old, account, sql, ring)
                return id
            }
            return try Self.records(sql, tenant, admins, ids, .all, ring)
        }
    }

    /// Changes accounts, all or none.
    /// - Parameter changes: for each id what makes the new record from the one that is stored, while nobody else can change
    ///   it. Roles with apps and lookups that it leaves out go.
    /// - Throws: ``ServiceError`` 404 with the first id that does not exist, 400 where no admin with all rights would be left,
    ///   else as `create`; what a change throws.
    public func update(
        _ changes: [(id: Int64, change: @Sendable (Record) throws -> Record)], admins: Bool, by account: Int64?
    ) async throws -> [Record] {
        try await write { sql, ring in
            let changed = try ServiceError.marking(each: changes) { id, change in
                guard try !sql.query(Self.lock, tenant.rawValue, admins, id).isEmpty,
                    let old = try Self.records(sql, tenant, admins, [id], .all, ring).first
                else { throw ServiceError.missingRecord(id) }
                let new = try change(old)
                try Self.checkRoles(of: new, over: old, sql, tenant)
                _ = try Self.explaining {
                    try sql.execute(
                        Self.update, tenant.rawValue, id, new.email, new.username, new.name, new.firstName,
                        new.lastName, new.phone, new.isActive, new.role, new.newPasswordHash, account)
                }
                try writeParts(of: new, over: old, account, sql, ring)
                guard let stored = try Self.records(sql, tenant, admins, [id], .all, ring).first else {
                    throw ServiceError.missingRecord(id)
                }
                return stored
            }
            if admins { try Self.checkThatAnAdminIsLeft(sql, tenant) }
            return changed
        }
    }

    /// Removes accounts, all or none: their sessions end at once.
    /// - Throws: ``ServiceError`` 404 with the first id that does not exist, 400 where no admin with all rights would be left.
    public func delete(_ ids: [Int64], admins: Bool) async throws {
        try await write { sql, _ in
            _ = try ServiceError.marking(each: ids) { id in
                guard try sql.execute(Self.remove, tenant.rawValue, admins, id) > 0 else {
                    throw ServiceError.missingRecord(id)
                }
            }
            if admins { try Self.checkThatAnAdminIsLeft(sql, tenant) }
        }
    }

    private static func explaining<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw explained(error)
        }
    }

    private func write<T: Sendable>(
        _ body: @escaping @Sendable (borrowing SQLSession, SecretKeyRing) throws -> T
    ) async throws -> T {
        do {
            return try await catalog.write(tenant, body)
        } catch let error as DatabaseError {
            throw Self.explained(error)
        }
    }

    private func writeParts(
        of record: Record, over old: Record, _ account: Int64?, _ sql: borrowing SQLSession, _ ring: SecretKeyRing
    ) throws {
        guard record.appRoles.count <= Self.mostAppRoles else {
            throw ServiceError.badRequest("An account may have roles with \(Self.mostAppRoles) apps at most.")
        }
        let kept = record.appRoles.filter(old.appRoles.contains).map(\.id)
        if kept.count < old.appRoles.count {
            try sql.execute(Self.removeAppRoles, tenant.rawValue, old.id, SQLArray(kept))
        }
        for part in record.appRoles where !old.appRoles.contains(part) {
            try sql.execute(
                Self.createAppRole, tenant.rawValue, old.id, part.app, part.id == 0 ? nil : part.id, part.role)
        }
        guard record.lookups != old.lookups else { return }
        _ = try LookupRows(sql, tenant, ring).write(
            record.lookups, of: .account(old.id), was: old.lookups, by: account, sql)
    }

    /// A role that is set must exist now; one that was deleted since it was set may stay.
    private static func checkRoles(
        of new: Record, over old: Record = Record(), _ sql: borrowing SQLSession, _ tenant: TenantID
    ) throws {
        var set = Set(new.appRoles.map(\.role)).subtracting(old.appRoles.map(\.role))
        if let role = new.role, role != old.role { set.insert(role) }
        for role in set.sorted() where try sql.query(findRole, tenant.rawValue, role).isEmpty {
            throw ServiceError.badRequest("'role_id' names the role \(role), which does not exist.")
        }
    }

    private static func checkThatAnAdminIsLeft(_ sql: borrowing SQLSession, _ tenant: TenantID) throws {
        guard try sql.query(fullAdmins, tenant.rawValue).isEmpty else { return }
        throw ServiceError.badRequest(
            "Nobody would be left who may administer the tenant: keep one active admin without a role.")
    }

    private static func records(
        _ sql: borrowing SQLSession, _ tenant: TenantID, _ admins: Bool, _ ids: [Int64]?, _ parts: Parts,
        _ ring: SecretKeyRing
    ) throws -> [Record] {
        let rows = try sql.query(list, tenant.rawValue, admins, ids.map { SQLArray($0) })
        guard !rows.isEmpty else { return [] }
        var roles: [Int64: [AppRole]] = [:]
        if parts.contains(.appRoles) {
            for row in try sql.query(appRoles, tenant.rawValue, ids.map { SQLArray($0) }) {
                let (account, id, app, role) = try row.decode(Int64.self, Int64.self, Int64.self, Int64.self)
                roles[account, default: []].append(AppRole(id: id, app: app, role: role))
            }
        }
        var lookups: [Lookup.Owner: [Lookup]] = [:]
        if parts.contains(.lookups) {
            let sealed = try LookupRows(sql, tenant, ring)
            lookups =
                try ids?.count == 1
                ? sealed.all(sql, of: ids?.first.map(Lookup.Owner.account)) : sealed.all(sql)
        }
        return try rows.map { row in
            var record = Record()
            (
                record.id, record.email, record.username, record.name, record.firstName, record.lastName, record.phone,
                record.isActive, record.role, record.lastLogin, record.stamp.createdAt, record.stamp.modifiedAt,
                record.stamp.createdBy, record.stamp.modifiedBy
            ) = try row.decode(
                Int64.self, String.self, String?.self, String.self, String?.self, String?.self, String?.self, Bool.self,
                Int64?.self, Timestamp?.self, Timestamp.self, Timestamp.self, Int64?.self, Int64?.self)
            record.appRoles = roles[record.id] ?? []
            record.lookups = lookups[.account(record.id)] ?? []
            return record
        }
    }

    private static func explained(_ error: DatabaseError) -> any Error {
        switch (error.code, error.constraint ?? "") {
        case (.uniqueViolation, "account_email"):
            ServiceError.badRequest("An account with this 'email' exists already. Choose another one.")
        case (.uniqueViolation, "account_username"):
            ServiceError.badRequest("An account with this 'username' exists already. Choose another one.")
        case (.uniqueViolation, let name) where name.hasPrefix("account_app_role"):
            ServiceError.badRequest("An account can have one role with each app.")
        case (.uniqueViolation, _):
            NamedRecordFaults.lookupTaken
        case (.foreignKeyViolation, _): ServiceError.badRequest("'app_id' names an app that does not exist.")
        default: error
        }
    }
}
