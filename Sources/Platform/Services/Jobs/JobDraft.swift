import Catalog
import Core
import FoundationEssentials
import JobQueue

/// From a request that scripts take part in to the job that is written for it.
public struct JobDraft: Sendable {
    private let platform: Platform
    private let request: ServiceRequest
    private let caller: Caller
    /// Nil for a service of the platform's own, and for an event.
    private let service: TenantService?
    private let event: QueuedEvent?
    private let isAsynchronous: Bool

    /// The call of a service.
    /// - Parameter service: the script service; nil for one of the platform's own.
    public init(
        platform: Platform, request: ServiceRequest, service: TenantService?, caller: Caller, isAsynchronous: Bool
    ) {
        self.platform = platform
        self.request = request
        self.service = service
        self.caller = caller
        self.isAsynchronous = isAsynchronous
        event = nil
    }

    /// A queued script of an event that has happened.
    public init(platform: Platform, request: ServiceRequest, event: QueuedEvent, caller: Caller) {
        self.platform = platform
        self.request = request
        self.event = event
        self.caller = caller
        service = nil
        isAsynchronous = true
    }

    /// A job with a fresh id, for the scripts' present versions.
    /// - Parameter idempotencyKey: for those who look at the job.
    public func job(idempotencyKey: String? = nil) throws -> NewJob {
        let events = event == nil ? platform.events(of: request, caller) : []
        let language = try service.map(Self.language) ?? event?.script.language ?? events.first?.language
        let id = JobID(milliseconds: UInt64(Date().timeIntervalSince1970 * 1000))
        let quotas = caller.tenant.quotas
        let settings = ScriptSettings(config: service?.config ?? .emptyObject)
        let payload = JobPayload(
            request: request, session: caller.session, requestID: caller.requestID, trace: caller.trace,
            events: events, queuedEvent: event)
        var job = NewJob(
            id: id, tenant: caller.tenant.id, app: caller.session.appID, account: caller.session.user?.id,
            service: service?.name ?? request.service, serviceID: service?.id ?? 0, version: service?.version ?? 0,
            language: language, verb: request.verb, isAsynchronous: isAsynchronous,
            maxAttempts: isAsynchronous ? settings.maxAttempts : 1,
            wall: settings.limits(quotas, asynchronous: isAsynchronous).wall,
            // What nobody has begun by then, nobody may ask for any more.
            startWithin: .seconds(quotas.retentionSeconds), ingress: platform.waiters.ingress,
            payload: try caller.tenant.dataKey.seal(payload.bytes, label: JobResponses.payloadLabel(id)),
            summary: try summary(of: id, idempotencyKey))
        job.bounds = QueueBounds(quotas)
        job.retryOnError = isAsynchronous && settings.retryOnError
        return job
    }

    private static func language(of service: TenantService) throws -> ScriptLanguage {
        guard let language = ScriptLanguage(rawValue: service.type) else {
            throw ServiceError(500, "The service '\(service.name)' has no script.")
        }
        return language
    }

    /// The sealed ``JobSummary``.
    private func summary(of id: JobID, _ idempotencyKey: String?) throws -> [UInt8] {
        let summary = JobSummary(resource: request.resource, idempotencyKey: idempotencyKey)
        return try caller.tenant.dataKey.seal(summary.bytes, label: JobResponses.summaryLabel(id))
    }
}
