import Catalog
import Core

extension Platform {
    /// What a caller can look up: the private values as they are now, and those to be shown as the call's session has them.
    func lookups(of caller: Caller) async throws -> LookupTable {
        let session = caller.session
        var account: Account?
        if let user = session.user { account = try await catalog.account(user.id, of: caller.tenant.id) }
        return caller.tenant.lookups(of: account, role: session.role, app: session.appID).showing(session.lookups)
    }
}
