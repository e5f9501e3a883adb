import Catalog
import Core

extension Platform {
    /// After a sign-in the scripts that follow it see who has signed in.
    func adopt(_ response: ServiceResponse, to request: ServiceRequest, _ caller: inout Caller) async throws {
        guard request.verb == .post, response.status == 200, request.isSession,
            let body = try? JSONText(checking: response.body), let id = body["id"]?.integer,
            let account = try await catalog.account(Int64(id), of: caller.tenant.id)
        else { return }
        caller.session.token = body["session_token"]?.string
        caller.session.user = account.sessionUser
        caller.session.role = caller.tenant.role(
            of: account, with: caller.session.appID.flatMap { caller.tenant.apps[$0] })
        caller.session.lookups =
            caller.tenant.lookups(of: account, role: caller.session.role, app: caller.session.appID).shown
    }
}
