import Catalog
import Core
import Database
import Logging
import ServiceLifecycle
import TestSupport

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A catalogue of its own process, as it were: with its own pool, listener and cache.
struct TestCatalog: Sendable {
    let database: Database
    let catalog: Catalog

    /// Two catalogues on one database, running while `body` does.
    static func pair(_ body: @escaping @Sendable (TestCatalog, TestCatalog) async throws -> Void) async throws {
        let url = try await TestPostgres.database(migrations: Migration.embedded)
        let ring = try SecretKeyRing(base64List: SecretKeyRing.generate())
        let (first, firstListener) = open(url, ring)
        let (second, secondListener) = open(url, ring)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for service in [firstListener, secondListener, first.catalog, second.catalog] as [any Service] {
                group.addTask {
                    try await service.run()
                    return false
                }
            }
            group.addTask {
                try await body(first, second)
                return true
            }
            while let isDone = try await group.next(), !isDone {}
            group.cancelAll()
        }
        await first.database.close()
        await second.database.close()
    }

    private static func open(_ url: String, _ ring: SecretKeyRing) -> (TestCatalog, Listener) {
        let options = DatabaseOptions(url: url, connections: 2)
        let database = Database(options, logger: quiet)
        let listener = Listener(options, logger: quiet)
        let catalog = Catalog(database: database, listener: listener, keyRing: ring, logger: quiet)
        return (TestCatalog(database: database, catalog: catalog), listener)
    }

    func tenant(_ name: String) async throws -> Catalog.NewTenant {
        guard let name = TenantName(name) else { throw ServiceError.badRequest("a bad name in a test") }
        return try await catalog.createTenant(name: name, label: "", quotas: .emptyObject)
    }

    func draft(_ name: String, _ content: String) -> Services.Draft {
        Services.Draft(
            name: name, label: name, description: "", isActive: true, language: .python3, content: content,
            config: .emptyObject, doc: nil)
    }
}
