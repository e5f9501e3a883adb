import Catalog
import Core

extension Platform {
    /// After a sign-in the scripts that follow it see who has signed in.
    func adopt(_ response: ServiceResponse, to request: ServiceRequest, _ caller: inout Caller) async throws {
        guard request.verb == .post, response.status == 200,
            ["user/session", "system/admin/session"].contains("\(request.service)/\(request.resource)"),
            let body = try? JSONText(checking: response.body), let id = body["id"]?.integer,
            let account = try await catalog.account(Int64(id), of: caller.tenant.id)
        else { return }
        caller.session.token = body["session_token"]?.string
        caller.session.user = account.sessionUser
        let own = account.role.flatMap { caller.tenant.roles[$0] }
        caller.session.role = own ?? (account.isAdmin ? nil : caller.session.role)
    }
}
