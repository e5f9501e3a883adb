import Catalog
import Core
import Database
import TestSupport
import Testing

/// With which role somebody calls, and how long their tokens are good.
@Suite struct RightsTests {
    private static let addRole = Statement(
        "test_add_role",
        "insert into role (tenant, id, name, is_active) values ($1::bigint, $2::bigint, $3::text, $4::boolean)")
    private static let addAppRole = Statement(
        "test_add_app_role",
        """
        insert into account_app_role (tenant, account, app, id, role)
        values ($1::bigint, $2::bigint, $3::bigint, next_id($1::bigint), $4::bigint)
        """)
    private static let setRole = Statement(
        "test_set_role",
        "update account set role = $3::bigint, is_admin = $4::boolean where tenant = $1::bigint and id = $2::bigint")
    private static let dropRole = Statement(
        "test_drop_role", "delete from role where tenant = $1::bigint and id = $2::bigint")

    private struct Case: Sendable {
        let isAdmin: Bool
        let own: Int64?
        let ofApp: Int64?
        let hasApp: Bool
        /// The role's number; nil for none.
        let expected: Int64?
        let isActive: Bool
    }

    /// 9001 and 9002 are there, 9003 is switched off, 9004 was deleted.
    @Test func theRoleOfTheAppThenTheOwnThenTheAppsDefault() async throws {
        try await TestCatalog.pair { here, _ in
            let made = try await here.tenant("acme")
            let tenant = made.id.rawValue
            try await here.database.tenant(made.id).transaction { sql in
                for id in Int64(9001)...9004 {
                    try sql.execute(Self.addRole, tenant, id, "role \(id)", id != 9003)
                }
            }
            let (app, _) = try await here.catalog.apps(made.id).create(App(name: "second", role: 9002))
            let admin = try #require(
                try await here.catalog.accounts(made.id).authenticate(
                    email: made.adminEmail, password: made.adminPassword))
            let cases = [
                Case(isAdmin: true, own: nil, ofApp: nil, hasApp: true, expected: nil, isActive: true),
                Case(isAdmin: true, own: 9001, ofApp: nil, hasApp: true, expected: 9001, isActive: true),
                Case(isAdmin: true, own: 9003, ofApp: nil, hasApp: true, expected: 9003, isActive: false),
                Case(isAdmin: true, own: 9004, ofApp: nil, hasApp: false, expected: 9004, isActive: false),
                Case(isAdmin: true, own: nil, ofApp: 9004, hasApp: true, expected: 9004, isActive: false),
                Case(isAdmin: true, own: nil, ofApp: 9001, hasApp: false, expected: nil, isActive: true),
                Case(isAdmin: false, own: nil, ofApp: nil, hasApp: true, expected: 9002, isActive: true),
                Case(isAdmin: false, own: nil, ofApp: nil, hasApp: false, expected: nil, isActive: true),
                Case(isAdmin: false, own: 9001, ofApp: nil, hasApp: true, expected: 9001, isActive: true),
                Case(isAdmin: false, own: 9003, ofApp: nil, hasApp: true, expected: 9003, isActive: false),
                Case(isAdmin: false, own: 9004, ofApp: 9001, hasApp: true, expected: 9001, isActive: true),
                Case(isAdmin: false, own: 9004, ofApp: 9001, hasApp: false, expected: 9004, isActive: false),
                Case(isAdmin: false, own: 9001, ofApp: 9003, hasApp: true, expected: 9003, isActive: false),
            ]
            try await here.database.tenant(made.id).transaction { sql in
                _ = try sql.execute(Self.dropRole, tenant, Int64(9004))
            }
            for (number, row) in cases.enumerated() {
                try await here.database.tenant(made.id).transaction { sql in
                    try sql.execute(Self.setRole, tenant, admin.id, row.own, row.isAdmin)
                    try sql.execute(
                        Statement("test_no_app_role", "delete from account_app_role where tenant = $1::bigint"), tenant)
                    if let role = row.ofApp { _ = try sql.execute(Self.addAppRole, tenant, admin.id, app.id, role) }
                }
                let account = try #require(try await here.catalog.accounts(made.id).find(admin.id))
                let snapshot = try #require(try await here.catalog.tenant(made.id))
                // The snapshot may be of before the roles, half a second old at most.
                try await eventually("the roles are known", within: .seconds(5)) {
                    let roles = try await here.catalog.tenant(made.id)?.roles
                    return roles?[9001] != nil && roles?[9004] == nil
                }
                let role = (try await here.catalog.tenant(made.id) ?? snapshot).role(
                    of: account, with: row.hasApp ? app : nil)
                #expect(role?.id == row.expected, "case \(number)")
                #expect(role?.isActive ?? true == row.isActive, "case \(number)")
                var session = Session(tenant: made.id, user: account.sessionUser, role: role)
                if !row.isActive {
                    #expect(!session.allows(.get, "anything", ""), "case \(number)")
                    // Neither does it come back with a job.
                    session = Session(tenant: made.id, json: session.json)
                    #expect(session.role != nil && !session.allows(.get, "anything", ""), "case \(number)")
                }
            }
        }
    }

    @Test func aNewPasswordEndsTheTokensOfBefore() async throws {
        try await TestCatalog.pair { here, there in
            let made = try await here.tenant("acme")
            let accounts = here.catalog.accounts(made.id)
            let before = try #require(
                try await accounts.authenticate(email: made.adminEmail, password: made.adminPassword))
            #expect(try await there.catalog.account(before.id, of: made.id)?.tokenGeneration == before.tokenGeneration)
            #expect(try await accounts.setPassword("another one", email: made.adminEmail))
            let after = try #require(
                try await accounts.authenticate(email: made.adminEmail, password: "another one"))
            #expect(after.tokenGeneration == before.tokenGeneration + 1)
            try await eventually("the other knows", within: .seconds(5)) {
                try await there.catalog.account(before.id, of: made.id)?.tokenGeneration == after.tokenGeneration
            }
        }
    }

    @Test func appsChangeTogetherOrNotAtAll() async throws {
        try await TestCatalog.pair { here, _ in
            let made = try await here.tenant("acme")
            let apps = here.catalog.apps(made.id)
            let ids = try await apps.create(
                [Apps.Record(App(name: "a", role: nil)), Apps.Record(App(name: "b", role: nil))], by: nil
            ).map(\.record.app.id)
            @Sendable func named(_ name: String) -> @Sendable (Apps.Record) -> Apps.Record {
                {
                    var record = $0
                    record.app.name = name
                    return record
                }
            }
            for (second, status) in [(ids[1], 400), (999_999, 404)] {
                // The second one takes the name of the first app, or does not exist.
                await #expect {
                    _ = try await apps.update([(ids[0], named("c")), (second, named("default"))], by: nil)
                } throws: {
                    ($0 as? ServiceError)?.status == status
                }
            }
            await #expect { try await apps.delete([ids[0], 999_999]) } throws: { ($0 as? ServiceError)?.status == 404 }
            let names = try await here.catalog.tenant(made.id)?.apps.values.map(\.name).sorted()
            #expect(names == ["a", "b", "default"])
            _ = try await apps.update([(ids[0], named("b2")), (ids[1], named("a2"))], by: nil)
            try await apps.delete(ids)
            #expect(try await here.catalog.tenant(made.id)?.apps.count == 1)
        }
    }
}
