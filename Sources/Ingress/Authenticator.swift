import Catalog
import Core
import FoundationEssentials
import Platform

/// Finds out who is calling (contract.md §3).
struct Authenticator: Sendable {
    let platform: Platform
    let tenantDomain: String?

    /// The tenant, app, user and role of a call.
    /// - Throws: ``ServiceError`` 400 without credentials, 401 for unknown or expired ones, 403 for what is switched off.
    func caller(
        of request: ServiceRequest, with given: Credentials, requestID: String, trace: TraceContext
    ) async throws -> Caller {
        let isSession = request.isSession
        let mayBeExpired = isSession && request.verb == .put
        var caller =
            if let key = given.key {
                try await self.caller(key: key, requestID: requestID, trace: trace)
            } else {
                try await stranger(request, given, mayBeExpired, requestID: requestID, trace: trace)
            }
        guard !caller.tenant.suspended else {
            throw ServiceError.forbidden("This tenant is suspended. Its operator can resume it.")
        }
        if let token = given.token {
            try await identify(&caller, token, mayBeExpired: mayBeExpired)
        } else if let basic = given.basic {
            try await identify(&caller, email: basic.email, password: basic.password)
        }
        return caller
    }

    /// Nobody yet, of the tenant that a call without an API key is for.
    @inline(never)
    private func stranger(
        _ request: ServiceRequest, _ given: Credentials, _ mayBeExpired: Bool, requestID: String, trace: TraceContext
    ) async throws -> Caller {
        let tenant: TenantSnapshot
        if let token = given.token {
            // The token names the tenant.
            tenant = try await self.tenant(named: claims(token, mayBeExpired: mayBeExpired).tenant)
        } else if request.isSession || given.basic != nil {
            tenant = try await namedTenant(request)
        } else {
            throw ServiceError.badRequest(
                "No session token (JWT) or API Key detected in request. Please send in X-DreamFactory-Session-Token"
                    + " and/or X-DreamFactory-API-Key request header.")
        }
        return Caller(tenant: tenant, session: Session(tenant: tenant.id), requestID: requestID, trace: trace)
    }

    /// Adds the account with these credentials to the caller.
    @inline(never)
    private func identify(_ caller: inout Caller, email: String, password: String) async throws {
        let account = try await platform.catalog.accounts(caller.tenant.id).recognise(email: email, password: password)
        guard let account else { throw ServiceError.unauthorized("Invalid credentials supplied.") }
        // With the account's lookups, which a sign-in does not read.
        take(try await platform.catalog.account(account.id, of: caller.tenant.id) ?? account, &caller)
    }

    @inline(never)
    private func caller(key: String, requestID: String, trace: TraceContext) async throws -> Caller {
        guard let (tenant, app) = try await platform.catalog.app(key: key) else {
            throw ServiceError.unauthorized("Invalid API Key. Send the key of one of the tenant's apps.")
        }
        return try caller(of: tenant, app, key: key, requestID: requestID, trace: trace)
    }

    @inline(never)
    private func caller(
        of tenant: TenantSnapshot, _ app: App, key: String, requestID: String, trace: TraceContext
    ) throws(ServiceError) -> Caller {
        guard app.isActive else { throw .forbidden("The app of this API Key is not active.") }
        var session = Session(
            tenant: tenant.id, apiKey: key, appID: app.id, role: tenant.role(of: nil, with: app))
        session.lookups = tenant.lookups(of: nil, role: session.role, app: app.id).shown
        return Caller(tenant: tenant, session: session, requestID: requestID, trace: trace)
    }

    /// Adds what the session token says to the caller.
    @inline(never)
    private func identify(_ caller: inout Caller, _ token: String, mayBeExpired: Bool) async throws {
        let claims = try await claims(token, mayBeExpired: mayBeExpired)
        guard claims.tenant.text == caller.tenant.name else {
            throw ServiceError.unauthorized("The session token and the API Key belong to different tenants.")
        }
        // A tenant that is gone may have had the same name, and accounts with the same numbers.
        guard claims.tenantCreated == caller.tenant.createdAt else {
            throw ServiceError.unauthorized("Invalid session token. Sign in again with POST /api/v2/user/session.")
        }
        guard !caller.tenant.revokedTokens.contains(claims.id) else {
            throw ServiceError.unauthorized("The session of this token was ended. Sign in again.")
        }
        guard let account = try await platform.catalog.account(claims.account, of: caller.tenant.id),
            account.isActive
        else { throw ServiceError.unauthorized("Unauthorized. User is not authenticated.") }
        guard claims.generation == account.tokenGeneration else {
            throw ServiceError.unauthorized("The password was changed since. Sign in again.")
        }
        caller.claims = claims
        caller.session.token = token
        take(account, &caller)
    }

    private func take(_ account: Account, _ caller: inout Caller) {
        caller.session.user = account.sessionUser
        caller.session.role = caller.tenant.role(
            of: account, with: caller.session.appID.flatMap { caller.tenant.apps[$0] })
        caller.session.lookups =
            caller.tenant.lookups(of: account, role: caller.session.role, app: caller.session.appID).shown
    }

    private func claims(_ token: String, mayBeExpired: Bool) async throws(ServiceError) -> SessionTokens.Claims {
        do {
            return try await platform.tokens.verify(token, now: Date(), expired: mayBeExpired)
        } catch {
            switch error {
            case .expired:
                throw .unauthorized(
                    "Session expired. Please refresh your token (if still within refresh window) or re-login.")
            case .invalid:
                throw .unauthorized("Invalid session token. Sign in again with POST /api/v2/user/session.")
            }
        }
    }

    private func tenant(named name: TenantName) async throws -> TenantSnapshot {
        guard let tenant = try await platform.catalog.tenant(named: name) else {
            throw ServiceError.unauthorized("Invalid session token. Sign in again with POST /api/v2/user/session.")
        }
        return tenant
    }

    /// The tenant of a sign-in without a key: named by a header, or by the first label of the host.
    private func namedTenant(_ request: ServiceRequest) async throws -> TenantSnapshot {
        guard let text = request.header("x-scriptorium-tenant") ?? labelOfHost(request) else {
            throw ServiceError.badRequest(
                "No tenant named in request. Send its name in X-Scriptorium-Tenant, or an API Key in"
                    + " X-DreamFactory-API-Key.")
        }
        guard let name = TenantName(text), let tenant = try await platform.catalog.tenant(named: name),
            !tenant.suspended
        else { return try platform.catalog.nobody() }
        return tenant
    }

    private func labelOfHost(_ request: ServiceRequest) -> String? {
        guard let tenantDomain, let host = request.header("host")?.prefix(while: { $0 != ":" }).lowercased(),
            host.hasSuffix("." + tenantDomain.lowercased())
        else { return nil }
        return String(host.prefix { $0 != "." })
    }
}
