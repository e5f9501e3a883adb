import Core
import Database

/// A tenant with what belongs to it, as one transaction saw it. The sources of scripts and the accounts are not in it.
///
/// It never changes and goes through many hands: so there is one of it, and not a copy of its many parts in each.
public final class TenantSnapshot: Sendable {
    public let id: TenantID
    public let name: String
    public let label: String
    public let suspended: Bool
    public let quotas: Quotas
    /// Tells it from an earlier tenant of the same name.
    public let createdAt: Timestamp
    /// Seals what the tenant stores.
    public let dataKey: DataKey
    public let apps: [Int64: App]
    public let roles: [Int64: Role]
    /// By their names in lower case.
    public let services: [String: TenantService]
    /// The active ones, by their names.
    public let eventScripts: [String: EventScript]
    /// Session tokens that were ended before their time.
    public let revokedTokens: Set<JobID>
    /// Of the tenant itself, its apps and its roles.
    public let lookups: [Lookup.Owner: [Lookup]]

    init(
        id: TenantID, name: String, label: String, suspended: Bool, quotas: Quotas, createdAt: Timestamp,
        dataKey: DataKey, apps: [Int64: App], roles: [Int64: Role], services: [String: TenantService],
        eventScripts: [String: EventScript], revokedTokens: Set<JobID>, lookups: [Lookup.Owner: [Lookup]]
    ) {
        self.id = id
        self.name = name
        self.label = label
        self.suspended = suspended
        self.quotas = quotas
        self.createdAt = createdAt
        self.dataKey = dataKey
        self.apps = apps
        self.roles = roles
        self.services = services
        self.eventScripts = eventScripts
        self.revokedTokens = revokedTokens
        self.lookups = lookups
    }

    /// The app whose key has this hash.
    public func app(keyHash: [UInt8]) -> App? {
        apps.values.first { $0.keyHash == keyHash }
    }

    /// The role with which somebody calls: the one that the account has with the app, else the account's own, else the app's.
    /// An admin without one of their own needs none. Whose role was switched off or deleted keeps it, and may nothing: the
    /// next in the row may have more rights.
    public func role(of account: Account?, with app: App?) -> Role? {
        let own = account.flatMap { account in app.flatMap { account.roleOfApp[$0.id] } ?? account.role }
        if own == nil, account?.isAdmin == true { return nil }
        guard let id = own ?? app?.role else { return nil }
        return roles[id] ?? Role(id: id, name: "", accesses: [], isActive: false)
    }
}
