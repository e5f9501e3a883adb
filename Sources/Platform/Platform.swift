import Catalog
import Core
import Execution
import JobQueue
import Logging
import Outbound

/// What stands behind `/api/v2`: from a session, a verb, a path and a payload to the service that answers. Ingresses and
/// scripts come through the same door.
public struct Platform: Sendable {
    public let catalog: Catalog
    public let queue: JobQueue
    public let waiters: JobWaiters
    public let executor: ScriptExecutor
    public let tokens: SessionTokens
    public let settings: PlatformSettings
    let logger: Logger
    let followers = LogFollowers()
    /// Makes the calls of scripts that leave the installation.
    let outside = GuardedClient()

    public init(
        catalog: Catalog, queue: JobQueue, waiters: JobWaiters, executor: ScriptExecutor, tokens: SessionTokens,
        settings: PlatformSettings, logger: Logger
    ) {
        self.catalog = catalog
        self.queue = queue
        self.waiters = waiters
        self.executor = executor
        self.tokens = tokens
        self.settings = settings
        self.logger = logger
    }

    /// What this process has working interpreters for.
    public var languages: [ScriptLanguage] { executor.languages }

    /// How well this process contains scripts.
    public var tier: SandboxTier { executor.tier }

    /// Lets scripts run until `end`, and ends them then, whatever becomes of this process meanwhile.
    public func renewLease(until end: ContinuousClock.Instant) async {
        await executor.renewLease(until: end)
    }

    /// Who answers a call.
    public enum Target: Sendable {
        /// The platform itself.
        case builtIn
        /// A script: from an ingress as a job, from a script within its caller's slot.
        case script(TenantService)
    }

    /// Finds who answers, and whether the session may ask.
    /// - Throws: ``ServiceError`` 404 for an unknown service, 403 for one that is switched off or not allowed.
    public func target(of request: ServiceRequest, _ caller: Caller) throws(ServiceError) -> Target {
        let target: Target
        if builtIn(request.service) != nil {
            target = .builtIn
        } else if let service = caller.tenant.services[request.service] {
            guard service.isActive else { throw .forbidden("Service \(service.name) is deactivated.") }
            target = AccessList.isAsked(request, of: service) ? .builtIn : .script(service)
        } else {
            throw .notFound("Could not find a service for \(request.service)")
        }
        try authorise(request, caller)
        return target
    }

    /// Answers a call of a service of the platform's own, which was found by ``target(of:_:)``.
    /// - Throws: ``ServiceError``; anything else is not for callers' eyes.
    public func respond(to request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        if AccessList.isAsked(request, of: caller.tenant.services[request.service]) {
            return AccessList(platform: self, caller: caller).answer(request)
        }
        guard let service = builtIn(request.service) else {
            throw ServiceError.notFound("Could not find a service for \(request.service)")
        }
        return try await service.answer(request, caller)
    }

    private func builtIn(_ name: String) -> (any BuiltInService)? {
        switch name {
        case "system": SystemService(platform: self)
        case "user": UserService(platform: self)
        case "jobs": JobsService(platform: self)
        default: nil
        }
    }

    private func authorise(_ request: ServiceRequest, _ caller: Caller) throws(ServiceError) {
        // Signing in needs no rights, and whoever made a job may follow it: the services judge for themselves.
        if request.isSession || request.service == "jobs" { return }
        let session = caller.session
        guard session.role != nil || session.isAdmin else {
            guard session.user != nil || session.appID != nil else {
                throw .unauthorized("Unauthorized. User is not authenticated.")
            }
            guard session.apiKey != nil else {
                throw .badRequest(
                    "No API Key provided. Send the key of an app in X-DreamFactory-API-Key or 'api_key': it has the role"
                        + " that counts where a user has none.")
            }
            guard session.user != nil else {
                throw .badRequest(
                    "No session token (JWT) provided. Send one in X-DreamFactory-Session-Token or 'session_token': the"
                        + " app of this API Key has no role of its own.")
            }
            throw .forbidden("Role not found. A role may not be assigned to you or your application.")
        }
        guard session.role?.isActive != false else {
            throw .forbidden("Access Forbidden. The role of this user or app was switched off or deleted.")
        }
        guard session.allows(request.verb, request.service, request.resource) else {
            throw .forbidden(
                "Access Forbidden. \(request.verb.rawValue) access to component '\(request.resource)' of service"
                    + " '\(request.service)' is not allowed by this user's role.")
        }
    }
}
