import Core
import Database
import Logging
import ServiceLifecycle
import Synchronization

/// Tenants and what they own, from a cache that is never more than a second stale.
///
/// A change made here is known here before its call returns. Other processes learn of it by NOTIFY, and whoever reads
/// looks at the list of changes itself when the last look is more than half a second old. When that look fails, the
/// reader gets the database's error rather than an old truth.
public final class Catalog: Service, Sendable {
    let database: Database
    let keyRing: SecretKeyRing
    private let listener: Listener
    let logger: Logger
    private let clock = ContinuousClock()
    private let cache = Mutex(CatalogCache())
    let recentPasswords = RecentPasswords()

    /// How old the last look at the list of changes may be.
    private static let freshness = Duration.milliseconds(500)
    private static let channel = "scriptorium_catalog"

    public init(database: Database, listener: Listener, keyRing: SecretKeyRing, logger: Logger) {
        self.database = database
        self.listener = listener
        self.keyRing = keyRing
        self.logger = logger
    }

    /// Follows the changes of other processes, and clears away what is over, until the service is stopped.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.follow() }
                group.addTask { await self.clearAway() }
                group.addTask { await self.dropEndedTenants() }
            }
        }
    }

    /// Every process does it about once an hour, each at its own time.
    private func clearAway() async {
        while !Task.isCancelled {
            do {
                try await database.system.transaction { sql in
                    _ = try sql.execute(SystemStatements.forgetChanges)
                    _ = try sql.execute(SystemStatements.forgetTokens)
                    _ = try sql.execute(SystemStatements.forgetBuckets)
                }
                try await closeUsageDays()
            } catch {
                logger.debug("catalogue not cleared", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(Int64.random(in: 3000...4200)))
        }
    }

    private func follow() async {
        for await event in self.listener.listen(Self.channel) {
            switch event {
            case .connected:
                // What was notified while nobody listened is lost: look at once.
                self.cache.withLock { $0.lookedAt = nil }
            case .notification(let payload):
                guard let id = Int64(payload) else { continue }
                self.cache.withLock { $0.forget(TenantID(rawValue: id)) }
            }
        }
    }

    /// The tenant of an API key and the app that has it; nil for a key that nobody has.
    public func app(key: String) async throws -> (tenant: TenantSnapshot, app: App)? {
        let hash = sha256(key)
        for attempt in 0..<2 {
            let known = attempt == 0 ? cache.withLock { $0.tenantsByKey[hash] } : nil
            let id: TenantID
            if let known {
                id = known
            } else {
                let rows = try await database.system.read { try $0.query(SystemStatements.tenantOfKey, hash) }
                guard let row = rows.first else { return nil }
                id = TenantID(rawValue: try row.decode(Int64.self))
            }
            // A key can leave its app; then the row it was found by is looked up once more.
            guard let tenant = try await tenant(id), let app = tenant.app(keyHash: hash) else { continue }
            cache.withLock { $0.remember(key: hash, tenant: id) }
            return (tenant, app)
        }
        return nil
    }

    /// The tenant of this name; nil where there is none.
    public func tenant(named name: TenantName) async throws -> TenantSnapshot? {
        let rows = try await database.system.read { try $0.query(SystemStatements.tenantOfName, name.text) }
        guard let row = rows.first else { return nil }
        return try await tenant(TenantID(rawValue: try row.decode(Int64.self)))
    }

    /// The tenant of this number; nil where there is none.
    public func tenant(_ id: TenantID) async throws -> TenantSnapshot? {
        try await freshen()
        let (found, epoch) = cache.withLock { ($0.tenants[id]?.snapshot, $0.epoch) }
        if let found { return found }
        return try await load(id, epoch: epoch)
    }

    private func load(_ id: TenantID, epoch: Int) async throws -> TenantSnapshot? {
        let loaded: TenantSnapshot?
        do {
            loaded = try await TenantSnapshot.load(id, from: database, keyRing: keyRing)
        } catch let error as ServiceError {
            logger.error("tenant not readable", metadata: ["tenant": "\(id)", "error": "\(error.message)"])
            throw error
        }
        cache.withLock { cache in
            // What changed while it was being read may not be in it: then it serves this call only.
            guard let loaded, cache.epoch == epoch else { return }
            cache.store(loaded)
        }
        return loaded
    }

    /// A tenant without anybody in it. Who signs in to a name that does not exist is asked and refused like everybody else,
    /// and learns nothing about names.
    public func nobody() throws -> TenantSnapshot {
        TenantSnapshot(
            id: TenantID(rawValue: 0), name: "", label: "", suspended: false, quotas: Quotas(),
            createdAt: Timestamp(microseconds: 0), dataKey: try keyRing.makeDataKey().key, apps: [:], roles: [:],
            services: [:], eventScripts: [:], revokedTokens: [], lookups: [:])
    }

    /// An account of the tenant; nil where there is none.
    public func account(_ id: Int64, of tenant: TenantID) async throws -> Account? {
        try await freshen()
        let (found, epoch) = cache.withLock { ($0.tenants[tenant]?.accounts[id], $0.epoch) }
        if let found { return found }
        let loaded = try await accounts(tenant).find(id)
        cache.withLock { cache in
            guard let loaded, cache.epoch == epoch else { return }
            cache.tenants[tenant]?.accounts[id] = loaded
        }
        return loaded
    }

    /// A script's version, which never changes; nil where there is none.
    public func script(_ reference: ScriptReference) async throws -> Script? {
        if let found = cache.withLock({ $0.scripts[reference] }) { return found }
        guard let loaded = try await services(reference.tenant).script(reference) else { return nil }
        cache.withLock { $0.remember(loaded, of: reference) }
        return loaded
    }

    /// A version of an event script; nil where there is none.
    public func source(of script: EventScript, tenant: TenantID) async throws -> Script? {
        // Numbers of services and of event scripts come from one counter, and so never meet.
        let reference = ScriptReference(tenant: tenant, service: script.id, version: script.version)
        if let found = cache.withLock({ $0.scripts[reference] }) { return found }
        guard let loaded = try await eventScripts(tenant).source(script.id, version: script.version) else { return nil }
        cache.withLock { $0.remember(loaded, of: reference) }
        return loaded
    }

    /// Makes a change of this process known: here at once, elsewhere by NOTIFY. Call it after the change's commit and
    /// before its answer.
    func changed(_ tenant: TenantID) async {
        cache.withLock { $0.forget(tenant) }
        do {
            _ = try await database.system.execute(SystemStatements.notify, [String(tenant.rawValue)])
        } catch {
            // The others' own look finds the change within a second.
            logger.debug("catalogue change not notified", metadata: ["error": "\(error)"])
        }
    }

    /// Looks at the list of changes when the last look is too old. Lookers at the same moment do it more than once, which
    /// costs less than making one wait for another.
    private func freshen() async throws {
        let now = clock.now
        let isFresh = cache.withLock { cache in
            guard let lookedAt = cache.lookedAt else { return false }
            return lookedAt.duration(to: now) < Self.freshness
        }
        guard !isFresh else { return }
        let rows = try await database.system.read { try $0.query(SystemStatements.changes) }
        var changes: [TenantID: CatalogCache.Change] = [:]
        for row in rows {
            let (tenant, newest, count) = try row.decode(Int64.self, Int64.self, Int64.self)
            changes[TenantID(rawValue: tenant)] = CatalogCache.Change(newest: newest, count: count)
        }
        cache.withLock { $0.apply(changes, at: now) }
    }
}

extension Catalog {
    /// The records of one tenant, each kind with its own statements.
    public func accounts(_ tenant: TenantID) -> Accounts { Accounts(tenant: tenant, catalog: self) }
    public func apps(_ tenant: TenantID) -> Apps { Apps(tenant: tenant, catalog: self) }
    public func store(_ tenant: TenantSnapshot, service: Int64) -> ScriptStore {
        ScriptStore(tenant: tenant, service: service, catalog: self)
    }
    public func eventScripts(_ tenant: TenantID) -> EventScripts { EventScripts(tenant: tenant, catalog: self) }
    public func lookups(_ tenant: TenantID) -> Lookups { Lookups(tenant: tenant, catalog: self) }
    public func roles(_ tenant: TenantID) -> Roles { Roles(tenant: tenant, catalog: self) }
    public func services(_ tenant: TenantID) -> Services { Services(tenant: tenant, catalog: self) }
}
