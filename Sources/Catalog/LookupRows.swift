import Core
import Database

/// The rows of lookups, inside a transaction of their tenant. Each value is sealed with whose and which it is, so that it can
/// not be moved to another place.
struct LookupRows {
    private let tenant: TenantID
    private let key: DataKey

    private static let dataKey = Statement(
        "lookup_data_key", "select data_key from tenant where id = $1::bigint and deleted_at is null")
    private static let list = Statement(
        "lookup_list",
        """
        select id, app, role, account, name, value, is_private, description
        from lookup
        where tenant = $1::bigint and ($2::bigint is null or app = $2::bigint)
            and ($3::bigint is null or role = $3::bigint) and ($4::bigint is null or account = $4::bigint)
        order by id
        """)
    private static let shared = Statement(
        "lookup_shared",
        """
        select id, app, role, account, name, value, is_private, description
        from lookup where tenant = $1::bigint and account is null order by id
        """)
    private static let remove = Statement(
        "lookup_delete", "delete from lookup where tenant = $1::bigint and id = any ($2::bigint[])")
    private static let insert = Statement(
        "lookup_create",
        """
        insert into lookup (tenant, id, app, role, account, name, value, is_private, description, created_by, modified_by)
        values ($1::bigint, next_id($1::bigint), $2::bigint, $3::bigint, $4::bigint, $5::text, $6::bytea, $7::boolean,
            $8::text, $9::bigint, $9::bigint)
        returning id
        """)
    private static let update = Statement(
        "lookup_update",
        """
        update lookup set name = $3::text, value = $4::bytea, is_private = $5::boolean, description = $6::text,
            modified_by = $7::bigint, modified_at = now()
        where tenant = $1::bigint and id = $2::bigint
        """)

    private static let sum = Statement(
        "lookup_sum",
        """
        select coalesce(sum(octet_length(value)), 0) from lookup where tenant = $1::bigint and account is null
        """)
    /// The bytes of all values but the accounts' own: every process that serves the tenant holds them.
    private static let largestSum: Int64 = 4 << 20

    /// - Throws: ``ServiceError`` 500 where this process's secret key does not open the tenant's.
    init(_ sql: borrowing SQLSession, _ tenant: TenantID, _ keyRing: SecretKeyRing) throws {
        self.tenant = tenant
        guard let row = try sql.query(Self.dataKey, tenant.rawValue).first else {
            throw ServiceError(410, "The tenant is gone.")
        }
        key = try TenantSnapshot.dataKey(row.decode([UInt8].self), keyRing)
    }

    init(_ tenant: TenantID, _ key: DataKey) {
        self.tenant = tenant
        self.key = key
    }

    /// Everything but the accounts' own.
    func shared(_ sql: borrowing SQLSession) throws -> [Lookup.Owner: [Lookup]] {
        try grouped(try sql.query(Self.shared, tenant.rawValue))
    }

    /// Everything of the tenant, or of one owner.
    func all(_ sql: borrowing SQLSession, of owner: Lookup.Owner? = nil) throws -> [Lookup.Owner: [Lookup]] {
        let columns = owner.map(Self.columns)
        let rows = try sql.query(Self.list, tenant.rawValue, columns?.app, columns?.role, columns?.account)
        return try grouped(rows)
    }

    /// Makes an owner's lookups these: those with an id are changed, those without are made, and others go.
    /// - Returns: the same with their ids.
    /// - Throws: ``ServiceError`` 400 where there are too many or a name comes twice.
    func write(
        _ lookups: [Lookup], of owner: Lookup.Owner, was old: [Lookup], by account: Int64?, _ sql: borrowing SQLSession
    ) throws -> [Lookup] {
        guard lookups != old else { return old }
        try check(lookups)
        let columns = Self.columns(owner)
        let kept = Set(lookups.map(\.id))
        // Only those that were there: another one may have been added since they were read.
        try sql.execute(Self.remove, tenant.rawValue, SQLArray(old.map(\.id).filter { !kept.contains($0) }))
        var written: [Lookup] = []
        for var lookup in lookups {
            let sealed = try key.seal(Array(lookup.value.utf8), label: Self.label(owner, lookup.name))
            if lookup.id == 0 {
                let row = try sql.query(
                    Self.insert, tenant.rawValue, columns.app, columns.role, columns.account, lookup.name, sealed,
                    lookup.isPrivate, lookup.description, account
                ).first
                guard let id = try row?.decode(Int64.self) else {
                    throw ServiceError(500, "The lookup was not stored.")
                }
                lookup.id = id
            } else if !old.contains(lookup) {
                try sql.execute(
                    Self.update, tenant.rawValue, lookup.id, lookup.name, sealed, lookup.isPrivate, lookup.description,
                    account)
            }
            written.append(lookup)
        }
        guard try sql.query(Self.sum, tenant.rawValue).first?.decode(Int64.self) ?? 0 <= Self.largestSum else {
            throw ServiceError.badRequest(
                "The lookups of the tenant, its apps and its roles may have \(Self.largestSum) bytes together at most.")
        }
        return written
    }

    private func check(_ lookups: [Lookup]) throws(ServiceError) {
        guard lookups.count <= Lookup.most else {
            throw .badRequest("There may be \(Lookup.most) lookups at most in one place.")
        }
        let bytes = lookups.reduce(0) { $0 + $1.value.utf8.count + $1.description.utf8.count }
        guard bytes <= Lookup.largestSum else {
            throw .badRequest("The lookups in one place may have \(Lookup.largestSum) bytes together at most.")
        }
        let names = Dictionary(grouping: lookups, by: \.name)
        if let twice = names.first(where: { $0.value.count > 1 })?.key {
            throw .badRequest("A lookup named '\(twice)' exists already. Choose another name.")
        }
    }

    private func grouped(_ rows: [Row]) throws -> [Lookup.Owner: [Lookup]] {
        var found: [Lookup.Owner: [Lookup]] = [:]
        for row in rows {
            let (id, app, role, account, name, sealed, isPrivate, description) = try row.decode(
                Int64.self, Int64?.self, Int64?.self, Int64?.self, String.self, [UInt8].self, Bool.self, String.self)
            let owner =
                app.map(Lookup.Owner.app) ?? role.map(Lookup.Owner.role) ?? account.map(Lookup.Owner.account) ?? .tenant
            let value = String(decoding: try key.open(sealed, label: Self.label(owner, name)), as: UTF8.self)
            found[owner, default: []].append(
                Lookup(id: id, name: name, value: value, isPrivate: isPrivate, description: description))
        }
        return found
    }

    private static func columns(_ owner: Lookup.Owner) -> (app: Int64?, role: Int64?, account: Int64?) {
        switch owner {
        case .tenant: (nil, nil, nil)
        case .app(let id): (id, nil, nil)
        case .role(let id): (nil, id, nil)
        case .account(let id): (nil, nil, id)
        }
    }

    private static func label(_ owner: Lookup.Owner, _ name: String) -> String {
        switch owner {
        case .tenant: "lookup tenant \(name)"
        case .app(let id): "lookup app \(id) \(name)"
        case .role(let id): "lookup role \(id) \(name)"
        case .account(let id): "lookup account \(id) \(name)"
        }
    }
}
