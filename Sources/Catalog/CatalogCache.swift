import Core

/// What a process remembers of the catalogue: a value, without clock or database.
struct CatalogCache {
    struct Entry {
        let snapshot: TenantSnapshot
        var accounts: [Int64: Account] = [:]
    }

    var tenants: [TenantID: Entry] = [:]
    var tenantsByKey: [[UInt8]: TenantID] = [:]
    private(set) var scripts: [ScriptReference: Script] = [:]
    private var sourceBytes = 0

    /// When the list of changes was last looked at; nil stands for a look that is due now.
    var lookedAt: ContinuousClock.Instant?
    /// Counts what was forgotten, so that a reader can tell whether something changed while it read.
    private(set) var epoch = 0
    /// The changes of a tenant in the list.
    struct Change: Equatable {
        let newest: Int64
        let count: Int64
    }

    /// What was seen in the list at the last look.
    private var seen: [TenantID: Change] = [:]

    private static let mostTenants = 20_000
    private static let mostKeys = 100_000
    private static let mostSourceBytes = 64 << 20

    mutating func store(_ snapshot: TenantSnapshot) {
        if tenants.count >= Self.mostTenants { tenants.removeAll() }
        tenants[snapshot.id] = Entry(snapshot: snapshot)
    }

    mutating func remember(key: [UInt8], tenant: TenantID) {
        if tenantsByKey.count >= Self.mostKeys { tenantsByKey.removeAll() }
        tenantsByKey[key] = tenant
    }

    mutating func remember(_ script: Script, of reference: ScriptReference) {
        let bytes = script.source.utf8.count + script.config.text.utf8.count
        if sourceBytes + bytes > Self.mostSourceBytes {
            scripts.removeAll()
            sourceBytes = 0
        }
        if scripts.updateValue(script, forKey: reference) == nil { sourceBytes += bytes }
    }

    mutating func forget(_ tenant: TenantID) {
        epoch += 1
        tenants[tenant] = nil
    }

    /// Takes in a look at the list of changes that began at `now`: what is new there is forgotten here.
    mutating func apply(_ changes: [TenantID: Change], at now: ContinuousClock.Instant) {
        // Fewer than before are the same with the oldest gone: that is no change, unless a late one hides among them.
        for (tenant, change) in changes where seen[tenant] != change { forget(tenant) }
        seen = changes
        lookedAt = max(lookedAt ?? now, now)
    }
}

/// Which script a job was accepted for.
public struct ScriptReference: Hashable, Sendable {
    public var tenant: TenantID
    public var service: Int64
    public var version: Int32

    public init(tenant: TenantID, service: Int64, version: Int32) {
        self.tenant = tenant
        self.service = service
        self.version = version
    }
}
