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

    @Test func anAdminWithoutARoleMayAll() {
        let user = Session.User(
            id: 1, name: "a", firstName: nil, lastName: nil, email: "a@b.c", isAdmin: true, lastLogin: nil)
        let admin = Session(tenant: TenantID(rawValue: 1), user: user)
        #expect(admin.allows(.delete, "system", "service/1"))
        #expect(!Session(tenant: TenantID(rawValue: 1)).allows(.get, "math", ""))
    }
}
