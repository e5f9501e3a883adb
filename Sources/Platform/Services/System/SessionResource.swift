import Catalog
import Core
import Database
import FoundationEssentials

/// `user/session` and `system/admin/session`: sign in, look, refresh, sign out (dreamfactory.md §9.2).
struct SessionResource {
    let platform: Platform
    /// Whether only admins may sign in here.
    let adminsOnly: Bool

    func answer(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        try request.allow(.get, .post, .put, .delete)
        switch request.verb {
        case .post: return try await signIn(request, caller)
        case .put: return try await refresh(request, caller)
        case .delete:
            let claims = try claims(of: caller)
            try await platform.catalog.accounts(caller.tenant.id).revoke(
                token: claims.id, expires: Self.end(of: claims))
            return .json(.object([("success", .bool(true))]))
        default:
            // A script reads the session that it runs with, whose token was checked when its call was accepted.
            guard let token = caller.session.token, let user = caller.session.user else { throw Self.noSession }
            let account = try await account(user.id, caller)
            return .json(view(account, token, caller.claims?.expires, request, caller))
        }
    }

    private static let noSession = ServiceError.unauthorized("There is no valid session for the current request.")

    private func claims(of caller: Caller) throws(ServiceError) -> SessionTokens.Claims {
        guard let claims = caller.claims else { throw Self.noSession }
        return claims
    }

    private func account(_ id: Int64, _ caller: Caller) async throws -> Account {
        guard let account = try await platform.catalog.account(id, of: caller.tenant.id), account.isActive,
            account.isAdmin || !adminsOnly
        else { throw Self.noSession }
        return account
    }

    private func signIn(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        let body = try RecordBody.json(request)
        guard body.kind == .object else { throw ServiceError.badRequest("The body must be an object.") }
        let fields = RecordFields(record: body)
        let email = try fields.text("email", longest: 320)
        guard let email = try email ?? fields.text("username", longest: 320), !email.isEmpty else {
            throw ServiceError.badRequest("Login request is missing required email.")
        }
        guard let password = try fields.text("password", longest: 1024), !password.isEmpty else {
            throw ServiceError.badRequest("Login request is missing required password.")
        }
        // What is wrong is said before anybody is signed in.
        let lifetime = try lifetime(fields)
        let accounts = platform.catalog.accounts(caller.tenant.id)
        guard
            let account = try await accounts.authenticate(email: email, password: password, adminsOnly: adminsOnly)
        else { throw ServiceError.unauthorized("Invalid credentials supplied.") }
        return try await issue(account, for: lifetime, request, caller)
    }

    /// How long the session is wanted: `duration` in seconds, or with `remember_me` as long as there is.
    private func lifetime(_ fields: RecordFields) throws(ServiceError) -> TimeInterval {
        let remembers = try fields.bool("remember_me") ?? false
        let seconds = try fields.integer("duration") ?? 0
        guard seconds >= 0 else {
            throw .badRequest("'duration' must be a number of seconds, or 0 for the usual time.")
        }
        if seconds > 0 { return min(TimeInterval(seconds), SessionTokens.refreshWindow) }
        return remembers ? SessionTokens.refreshWindow : SessionTokens.lifetime
    }

    /// A fresh token for an old one, which ends.
    private func refresh(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        let claims = try claims(of: caller)
        let account = try await account(claims.account, caller)
        try await platform.catalog.accounts(caller.tenant.id).revoke(token: claims.id, expires: Self.end(of: claims))
        return try await issue(account, for: claims.lifetime, request, caller)
    }

    private func issue(
        _ account: Account, for lifetime: TimeInterval, _ request: ServiceRequest, _ caller: Caller
    ) async throws -> ServiceResponse {
        let (token, expires) = try await platform.tokens.issue(
            tenant: caller.tenant.name, created: caller.tenant.createdAt, account: account, lifetime: lifetime,
            now: Date())
        return .json(view(account, token, expires, request, caller))
    }

    /// When even a refresh of the token is over.
    private static func end(of claims: SessionTokens.Claims) -> Timestamp {
        timestamp(claims.issued.addingTimeInterval(SessionTokens.refreshWindow))
    }

    private static func timestamp(_ date: Date) -> Timestamp {
        Timestamp(microseconds: Int64(date.timeIntervalSince1970 * 1_000_000))
    }

    private func view(
        _ account: Account, _ token: String, _ expires: Date?, _ request: ServiceRequest, _ caller: Caller
    ) -> JSONText {
        var members: [(String, JSONText)] = [
            ("session_token", .string(token)),
            ("session_id", .string(token)),
            ("id", .integer(account.id)),
            ("name", .string(account.name)),
            ("first_name", .string(account.firstName)),
            ("last_name", .string(account.lastName)),
            ("email", .string(account.email)),
            ("is_sys_admin", .bool(account.isAdmin)),
            ("last_login_date", .string(account.lastLogin)),
            ("host", .string(request.header("host"))),
            ("token_expiry_date", .string(expires.map { Self.timestamp($0).description })),
        ]
        let app = caller.session.appID.flatMap { caller.tenant.apps[$0] }
        if let role = caller.tenant.role(of: account, with: app), role.isActive {
            members.append(("role", .string(role.name)))
            members.append(("role_id", .integer(role.id)))
        }
        return .object(members)
    }
}
