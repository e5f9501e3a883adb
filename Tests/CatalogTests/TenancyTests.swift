import Catalog
import Core
import Database
import TestSupport
import Testing

/// What one tenant has, another never sees; what is secret is stored nowhere in clear.
@Suite struct TenancyTests {
    @Test func idsOfAnotherTenantAreAsGoodAsNone() async throws {
        try await TestCatalog.pair { here, _ in
            let first = try await here.tenant("first")
            let second = try await here.tenant("second")
            let id = try await here.catalog.services(first.id).create(here.draft("math", "return 1"), by: nil)
            #expect(try await here.catalog.services(second.id).records(id: id).isEmpty)
            let others = here.catalog.services(second.id)
            await #expect(throws: ServiceError.self) {
                try await others.update([Services.Change(id) { _ in here.draft("math", "x") }], by: nil)
            }
            await #expect(throws: ServiceError.self) { try await others.delete([id]) }
            #expect(try await here.catalog.services(first.id).records(id: id).first?.draft.content == "return 1")
            #expect(
                try await here.catalog.script(ScriptReference(tenant: second.id, service: id, version: 1)) == nil)
            #expect(try await here.catalog.services(first.id).records(id: id).count == 1)
            // Ids are counted within a tenant: the second one's first service has the number that the first one's has.
            let other = try await here.catalog.services(second.id).create(here.draft("math", "return 2"), by: nil)
            #expect(other == id)
        }
    }

    /// Row-level security alone keeps tenants apart: a statement without a condition sees one tenant's rows.
    @Test(arguments: ["app", "account", "role", "role_access", "service", "service_version", "revoked_token"])
    func rowLevelSecurityHolds(table: String) async throws {
        try await TestCatalog.pair { here, _ in
            let first = try await here.tenant("first")
            let second = try await here.tenant("second")
            for tenant in [first, second] {
                _ = try await here.catalog.services(tenant.id).create(here.draft("math", "return 1"), by: nil)
                try await here.catalog.accounts(tenant.id).revoke(
                    token: JobID(milliseconds: 1), expires: Timestamp(microseconds: 4_000_000_000_000_000))
            }
            let statement = Statements.tenants(of: table)
            for tenant in [first, second] {
                let seen = try await here.database.tenant(tenant.id).read { sql in
                    try sql.query(statement).map { try $0.decode(Int64.self) }
                }
                #expect(seen == [tenant.id.rawValue])
            }
        }
    }

    @Test func keysAndPasswordsAreStoredHashed() async throws {
        try await TestCatalog.pair { here, _ in
            let made = try await here.tenant("acme")
            let stored = try await here.database.system.read { sql in
                try sql.query(
                    Statement(
                        "test_everything",
                        """
                        select string_agg(t::text, ' ') from (
                            select row(a.*)::text from app a union all select row(c.*)::text from account c
                            union all select row(n.*)::text from tenant n
                        ) as t (t)
                        """)
                ).first?.decode(String.self)
            }
            let text = try #require(stored)
            #expect(!text.contains(made.apiKey))
            #expect(!text.contains(made.adminPassword))
            #expect(text.contains("scrypt$"))
        }
    }

    @Test func aTakenNameIsRefused() async throws {
        try await TestCatalog.pair { here, _ in
            _ = try await here.tenant("acme")
            let error = await #expect(throws: ServiceError.self) { _ = try await here.tenant("acme") }
            #expect(error?.status == 409)
        }
    }

    @Test func passwordsAreChecked() async throws {
        try await TestCatalog.pair { here, _ in
            let made = try await here.tenant("acme")
            let accounts = here.catalog.accounts(made.id)
            #expect(
                try await accounts.authenticate(email: made.adminEmail.uppercased(), password: made.adminPassword)?
                    .isAdmin == true)
            #expect(try await accounts.authenticate(email: made.adminEmail, password: "wrong") == nil)
            #expect(try await accounts.authenticate(email: "nobody@acme.local", password: "wrong") == nil)
            #expect(try await accounts.setPassword("another one", email: made.adminEmail))
            #expect(try await accounts.authenticate(email: made.adminEmail, password: made.adminPassword) == nil)
            #expect(try await accounts.authenticate(email: made.adminEmail, password: "another one") != nil)
        }
    }
}

/// A statement's text is a literal: one for each table.
private enum Statements {
    static func tenants(of table: String) -> Statement {
        switch table {
        case "app": Statement("test_app", "select distinct tenant from app")
        case "account": Statement("test_account", "select distinct tenant from account")
        case "role": Statement("test_role", "select distinct tenant from role")
        case "role_access": Statement("test_role_access", "select distinct tenant from role_access")
        case "service": Statement("test_service", "select distinct tenant from service")
        case "service_version": Statement("test_service_version", "select distinct tenant from service_version")
        default: Statement("test_revoked_token", "select distinct tenant from revoked_token")
        }
    }
}
