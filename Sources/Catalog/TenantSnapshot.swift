import Core
import Database

/// A tenant with what belongs to it, as one transaction saw it. The sources of scripts and the accounts are not in it.
public struct TenantSnapshot: Sendable {
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

    /// The app whose key has this hash.
    public func app(keyHash: [UInt8]) -> App? {
        apps.values.first { $0.keyHash == keyHash }
    }
}
