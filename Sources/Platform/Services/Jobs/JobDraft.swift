import Catalog
import Core
import FoundationEssentials
import JobQueue

/// From a request of a script service to the job that is written for it.
public struct JobDraft: Sendable {
    let platform: Platform
    let request: ServiceRequest
    let service: TenantService
    let caller: Caller
    let isAsynchronous: Bool

    public init(
        platform: Platform, request: ServiceRequest, service: TenantService, caller: Caller, isAsynchronous: Bool
    ) {
        self.platform = platform
        self.request = request
        self.service = service
        self.caller = caller
        self.isAsynchronous = isAsynchronous
    }

    /// A job with a fresh id, for the script's present version.
    /// - Parameter idempotencyKey: for those who look at the job.
    public func job(idempotencyKey: String? = nil) throws -> NewJob {
        guard let language = ScriptLanguage(rawValue: service.type) else {
            throw ServiceError(500, "The service '\(service.name)' has no script.")
        }
        let id = JobID(milliseconds: UInt64(Date().timeIntervalSince1970 * 1000))
        let quotas = caller.tenant.quotas
        let settings = ScriptSettings(config: service.config)
        let payload = JobPayload(
            request: request, session: caller.session, requestID: caller.requestID,
            trace: caller.trace)
        var job = NewJob(
            id: id, tenant: caller.tenant.id, app: caller.session.appID, account: caller.session.user?.id,
            service: service.name, serviceID: service.id, version: service.version, language: language,
            verb: request.verb, isAsynchronous: isAsynchronous, maxAttempts: isAsynchronous ? settings.maxAttempts : 1,
            wall: settings.limits(quotas, asynchronous: isAsynchronous).wall,
            // What nobody has begun by then, nobody may ask for any more.
            startWithin: .seconds(quotas.retentionSeconds), ingress: platform.waiters.ingress,
            payload: try caller.tenant.dataKey.seal(payload.bytes, label: JobResponses.payloadLabel(id)),
            summary: try summary(of: id, idempotencyKey))
        job.retryOnError = isAsynchronous && settings.retryOnError
        return job
    }

    /// The sealed ``JobSummary``.
    private func summary(of id: JobID, _ idempotencyKey: String?) throws -> [UInt8] {
        let summary = JobSummary(resource: request.resource, idempotencyKey: idempotencyKey)
        return try caller.tenant.dataKey.seal(summary.bytes, label: JobResponses.summaryLabel(id))
    }
}
