import Catalog
import Core
import Database

/// `system/user` and `system/admin`: the people who can sign in. Passwords go in and never come out.
struct AccountRecords: RecordKind {
    let accounts: Accounts
    let isAdmin: Bool
    let account: Int64?

    var name: String { isAdmin ? "admin" : "user" }
    static let relations: Set<String> = ["user_to_app_to_role_by_user_id", "lookup_by_user_id"]

    /// A hash takes a while, and all tenants' wait for each other.
    private static let mostPasswords = 100

    func all() async throws -> [RecordQuery.Record] { try await records(nil) }

    func find(_ id: Int64) async throws -> RecordQuery.Record? { try await records([id]).first }

    private func records(_ ids: [Int64]?) async throws -> [RecordQuery.Record] {
        try await accounts.records(admins: isAdmin, ids: ids, with: [.appRoles, .lookups]).map { record($0) }
    }

    func create(_ records: [JSONText]) async throws -> [RecordQuery.Record] {
        for (index, record) in records.enumerated() {
            _ = try ServiceError.marking(record: index) { try draft(record, over: Accounts.Record(), nil) }
        }
        let hashes = try await hashes(of: records)
        let drafts = try zip(records, hashes).map { record, hash throws(ServiceError) in
            try draft(record, over: Accounts.Record(), hash)
        }
        return try await accounts.create(drafts, admins: isAdmin, by: account).map { record($0) }
    }

    func change(_ changes: [RecordChange]) async throws -> [RecordQuery.Record] {
        let hashes = try await hashes(of: changes.map(\.record))
        return try await accounts.update(
            zip(changes, hashes).enumerated().map { index, entry in
                let (change, hash) = entry
                return (
                    change.id,
                    { @Sendable old in
                        try ServiceError.marking(record: index) { try self.draft(change.record, over: old, hash) }
                    }
                )
            }, admins: isAdmin, by: account
        ).map { record($0) }
    }

    func remove(_ ids: [Int64]) async throws { try await accounts.delete(ids, admins: isAdmin) }

    /// - Throws: ``ServiceError`` 400 for a password that is none; 503 where too many are hashed already.
    private func hashes(of records: [JSONText]) async throws -> [String?] {
        let passwords = try records.map { record throws(ServiceError) in
            let password = try RecordFields(record: record).text("password", longest: 1024)
            guard password?.isEmpty != true else { throw .badRequest("'password' can not be empty.") }
            return password
        }
        guard passwords.count(where: { $0 != nil }) <= Self.mostPasswords else {
            throw ServiceError.badRequest("One request may set \(Self.mostPasswords) passwords at most.")
        }
        var hashes: [String?] = []
        for password in passwords {
            hashes.append(password == nil ? nil : try await Accounts.hash(password: password))
        }
        return hashes
    }

    private func draft(
        _ record: JSONText, over old: Accounts.Record, _ hash: String?
    ) throws(ServiceError) -> Accounts.Record {
        let fields = RecordFields(record: record)
        var account = old
        account.email = try fields.required(
            "email", longest: 255, over: old.email, of: name == "user" ? "a user" : "an admin")
        let parts = account.email.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), !account.email.contains(where: \.isWhitespace) else {
            throw .badRequest("'email' must be an address such as name@example.com.")
        }
        let username = try fields.text("username", longest: 255, over: old.username)
        account.username = username?.isEmpty == true ? nil : username
        account.firstName = try fields.text("first_name", longest: 64, over: old.firstName)
        account.lastName = try fields.text("last_name", longest: 64, over: old.lastName)
        account.phone = try fields.text("phone", longest: 32, over: old.phone)
        let names = [account.firstName, account.lastName].compactMap { $0 }.filter { !$0.isEmpty }
        account.name = try fields.text("name", longest: 255, over: old.name)
        if account.name.isEmpty { account.name = names.isEmpty ? account.email : names.joined(separator: " ") }
        account.isActive = try fields.bool("is_active", over: old.isActive)
        account.role = try fields.integer("role_id", over: old.role)
        account.appRoles = try ChildRows<Accounts.AppRole>(
            name: "user_to_app_to_role_by_user_id", owner: "user_id", id: \.id
        ).merged(
            record, over: old.appRoles,
            match: { row in old.appRoles.first { $0.app == row["app_id"]?.integer.map(Int64.init) } }, read: appRole)
        account.lookups = try LookupDraft.rows(record, of: "user", over: old.lookups)
        account.newPasswordHash = hash
        return account
    }

    private func appRole(_ row: JSONText, over old: Accounts.AppRole?) throws(ServiceError) -> Accounts.AppRole {
        let fields = RecordFields(record: row)
        guard let app = try fields.integer("app_id", over: old?.app),
            let role = try fields.integer("role_id", over: old?.role)
        else {
            throw .badRequest("Each row of 'user_to_app_to_role_by_user_id' needs an 'app_id' and a 'role_id'.")
        }
        return Accounts.AppRole(id: old?.id ?? 0, app: app, role: role)
    }

    private func record(_ account: Accounts.Record) -> RecordQuery.Record {
        var record: RecordQuery.Record =
            [
                ("id", .integer(account.id)),
                ("name", .string(account.name)),
                ("username", .string(account.username ?? account.email)),
                ("first_name", .string(account.firstName)),
                ("last_name", .string(account.lastName)),
                ("email", .string(account.email)),
                ("phone", .string(account.phone)),
                ("is_active", .bool(account.isActive)),
                ("is_sys_admin", .bool(isAdmin)),
                ("role_id", .integer(account.role)),
                ("last_login_date", .string(account.lastLogin?.description)),
            ] + account.stamp.members
        let rows = account.appRoles.map { row in
            JSONText.object([
                ("id", .integer(row.id)), ("user_id", .integer(account.id)), ("app_id", .integer(row.app)),
                ("role_id", .integer(row.role)),
            ])
        }
        record.append(("user_to_app_to_role_by_user_id", .array(rows)))
        record.append(("lookup_by_user_id", LookupDraft.relation(account.lookups, of: "user", account.id)))
        return record
    }
}
