import Catalog
import Core
import Database
import TestSupport
import Testing

/// The cache is never more than a second stale, in whichever process a change was made.
@Suite struct CacheTests {
    @Test func aChangeIsKnownHereAtOnceAndElsewhereWithinASecond() async throws {
        try await TestCatalog.pair { here, there in
            let made = try await here.tenant("acme")
            #expect(try await there.catalog.app(key: made.apiKey)?.tenant.services.isEmpty == true)
            let id = try await here.catalog.services(made.id).create(here.draft("math", "return 1"), by: nil)
            #expect(try await here.catalog.tenant(made.id)?.services["math"]?.version == 1)
            try await eventually("the other knows the service", within: .seconds(5)) {
                try await there.catalog.tenant(made.id)?.services["math"]?.id == id
            }
            try await here.catalog.services(made.id)
                .update([Services.Change(id) { _ in here.draft("math", "return 2") }], by: nil)
            #expect(try await here.catalog.tenant(made.id)?.services["math"]?.version == 2)
            try await eventually("the other knows the version", within: .seconds(5)) {
                try await there.catalog.tenant(made.id)?.services["math"]?.version == 2
            }
            // What was accepted for the old version still finds it.
            for version in Int32(1)...2 {
                let script = try await there.catalog.script(
                    ScriptReference(tenant: made.id, service: id, version: version))
                #expect(script?.source == "return \(version)")
            }
        }
    }

    /// Without notifications the list of changes does it alone.
    @Test func aChangeThatNobodyNotifiedIsFound() async throws {
        try await TestCatalog.pair { here, there in
            let made = try await here.tenant("acme")
            #expect(try await there.catalog.tenant(made.id)?.suspended == false)
            try await here.database.system.transaction { sql in
                _ = try sql.execute(
                    Statement("test_suspend", "update tenant set suspended = true where id = $1::bigint"),
                    made.id.rawValue)
            }
            try await eventually("the other knows", within: .seconds(5)) {
                try await there.catalog.tenant(made.id)?.suspended == true
            }
        }
    }

    @Test func aKeyStopsWithItsApp() async throws {
        try await TestCatalog.pair { here, there in
            let made = try await here.tenant("acme")
            let (app, key) = try await here.catalog.apps(made.id).create(App(name: "second", role: nil))
            #expect(try await there.catalog.app(key: key)?.app.id == app.id)
            try await here.catalog.apps(made.id).delete([app.id])
            #expect(try await here.catalog.app(key: key) == nil)
            try await eventually("the key is unknown everywhere", within: .seconds(5)) {
                try await there.catalog.app(key: key) == nil
            }
            #expect(try await there.catalog.app(key: made.apiKey) != nil)
        }
    }

    @Test func savingTheSameScriptMakesNoVersion() async throws {
        try await TestCatalog.pair { here, _ in
            let made = try await here.tenant("acme")
            let services = here.catalog.services(made.id)
            let id = try await services.create(here.draft("math", "return 1"), by: nil)
            var draft = here.draft("math", "return 1")
            draft.label = "Mathematics"
            try await services.update([Services.Change(id) { [draft] _ in draft }], by: nil)
            #expect(try await services.records(id: id).first?.version == 1)
            #expect(try await services.records(id: id).first?.draft.label == "Mathematics")
        }
    }
}
