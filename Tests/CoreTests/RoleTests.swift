import Core
import Testing

@Suite struct RoleTests {
    private func role(_ accesses: Role.Access...) -> Role { Role(id: 1, name: "r", accesses: accesses) }
    private func access(
        _ service: String?, _ component: String, _ verbs: [Verb], requestors: Int = 3
    ) -> Role.Access {
        Role.Access(
            service: service, component: component, verbMask: verbs.reduce(0) { $0 | $1.mask },
            requestorMask: requestors)
    }

    @Test func theExactComponentDecidesBeforeTheWildcards() {
        let role = role(
            access("math", "*", [.get, .post]), access("math", "add/*", [.post]), access("math", "add/1", [.get]))
        #expect(role.allows(.get, "math", "add/1", as: .api))
        #expect(!role.allows(.post, "math", "add/1", as: .api))
        #expect(role.allows(.post, "math", "add/2", as: .api))
        #expect(!role.allows(.get, "math", "add/2", as: .api))
        #expect(role.allows(.get, "math", "sub", as: .api))
        #expect(!role.allows(.get, "other", "", as: .api))
    }

    @Test func rowsOfOneClassAddUp() {
        let role = role(access("math", "*", [.get]), access("math", "*", [.put]))
        #expect(role.allows(.get, "math", "x", as: .api))
        #expect(role.allows(.put, "math", "x", as: .api))
        #expect(!role.allows(.delete, "math", "x", as: .api))
    }

    @Test func everyServiceIsNotSystem() {
        let role = role(access(nil, "*", Verb.callable))
        #expect(role.allows(.delete, "math", "a/b", as: .script))
        #expect(!role.allows(.get, "system", "service", as: .api))
    }

    @Test func theRequestorCounts() {
        let role = role(access("math", "*", [.get], requestors: Requestor.api.rawValue))
        #expect(role.allows(.get, "math", "", as: .api))
        #expect(!role.allows(.get, "math", "", as: .script))
    }

    private struct Row {
        let verb: Verb
        let service: String
        let component: String
        var requestor = Requestor.api
        let isAllowed: Bool
    }

    /// Every class of rows, each alone for what nothing better matches.
    @Test func theBestClassOfRowsDecides() {
        let role = role(
            access("math", "add", [.get]), access("math", "add", [.put], requestors: 2), access("math", "", [.get]),
            access("math", "add/*", [.post]), access("math", "add/deep/*", [.patch]),
            access("math", "*", [.delete]), access("math", "*", [.put], requestors: 2),
            access("jobs", "*", [.get]), access("system", "user/*", [.get]), access(nil, "*", [.get, .delete]))
        for row in [
            Row(verb: .get, service: "math", component: "add", isAllowed: true),
            Row(verb: .put, service: "math", component: "add", isAllowed: false),
            Row(verb: .put, service: "math", component: "add", requestor: .script, isAllowed: true),
            Row(verb: .get, service: "math", component: "add", requestor: .script, isAllowed: true),
            Row(verb: .delete, service: "math", component: "add", isAllowed: false),
            Row(verb: .get, service: "math", component: "", isAllowed: true),
            Row(verb: .delete, service: "math", component: "", isAllowed: false),
            // Both wildcards match, and add up.
            Row(verb: .post, service: "math", component: "add/deep/1", isAllowed: true),
            Row(verb: .patch, service: "math", component: "add/deep/1", isAllowed: true),
            Row(verb: .patch, service: "math", component: "add/1", isAllowed: false),
            Row(verb: .delete, service: "math", component: "add/1", isAllowed: false),
            Row(verb: .delete, service: "math", component: "added", isAllowed: true),
            Row(verb: .get, service: "math", component: "added", isAllowed: false),
            Row(verb: .put, service: "math", component: "sub", requestor: .script, isAllowed: true),
            Row(verb: .put, service: "math", component: "sub", isAllowed: false),
            Row(verb: .get, service: "other", component: "any/thing", isAllowed: true),
            Row(verb: .put, service: "other", component: "any/thing", isAllowed: false),
            Row(verb: .get, service: "jobs", component: "1", isAllowed: true),
            Row(verb: .delete, service: "jobs", component: "1", isAllowed: false),
            Row(verb: .get, service: "system", component: "user/1", isAllowed: true),
            Row(verb: .get, service: "system", component: "user", isAllowed: false),
            Row(verb: .get, service: "system", component: "role", isAllowed: false),
        ] {
            #expect(
                role.allows(row.verb, row.service, row.component, as: row.requestor) == row.isAllowed,
                "\(row.verb) \(row.service)/\(row.component) as \(row.requestor)")
        }
        let off = Role(id: 1, name: "r", accesses: role.accesses, isActive: false)
        #expect(!off.allows(.get, "math", "add", as: .api))
    }

    @Test func anAdminWithoutARoleMayAll() {
        let user = Session.User(
            id: 1, name: "a", firstName: nil, lastName: nil, email: "a@b.c", isAdmin: true, lastLogin: nil)
        let admin = Session(tenant: TenantID(rawValue: 1), user: user)
        #expect(admin.allows(.delete, "system", "service/1"))
        #expect(!Session(tenant: TenantID(rawValue: 1)).allows(.get, "math", ""))
    }
}
