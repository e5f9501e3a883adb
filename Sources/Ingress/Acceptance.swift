import Catalog
import Core
import FoundationEssentials
import JobQueue
import Platform

/// From an authorised call of a script to its job, and to the answer that the caller waits for.
struct Acceptance: Sendable {
    let platform: Platform

    /// Writes the job, waits as long as the caller wants, and gives the script's response or a 202.
    /// - Throws: ``ServiceError``; `DatabaseError`, where the job may have been written.
    func answer(_ request: ServiceRequest, _ service: TenantService, _ caller: Caller) async throws -> ServiceResponse {
        let preferences = try Preferences(request)
        let job = try job(for: request, service, caller, preferences)
        var response: ServiceResponse
        if preferences.isAsynchronous {
            try await platform.queue.enqueue(job)
            response = JobView.accepted(job.id, status: .queued)
            if request.header("prefer") != nil {
                response.headers.append((name: "Preference-Applied", value: "respond-async"))
            }
        } else {
            response = try await wait(for: job, preferences, caller)
        }
        response.headers.append((name: "X-Scriptorium-Job", value: job.id.description))
        return response
    }

    private func wait(
        for job: NewJob, _ preferences: Preferences, _ caller: Caller
    ) async throws -> ServiceResponse {
        let quotas = caller.tenant.quotas
        let seconds = min(preferences.wait ?? quotas.syncWaitSeconds, quotas.syncWaitMaxSeconds)
        let queue = platform.queue
        let result = try await platform.waiters.result(of: job.id, limit: .seconds(seconds)) {
            try await queue.enqueue(job)
            return nil
        }
        var response: ServiceResponse
        if let result {
            response =
                try JobResponses(tenant: caller.tenant).outcome(of: result, requestID: caller.requestID).response
        } else {
            // The job stands whatever this look says: its id must reach the caller.
            let record = try? await queue.job(job.id, of: caller.tenant.id)
            response = JobView.accepted(job.id, status: record?.status ?? .queued)
        }
        if preferences.wait != nil {
            response.headers.append((name: "Preference-Applied", value: "wait=\(JSONText.number(seconds))"))
        }
        return response
    }

    private func job(
        for request: ServiceRequest, _ service: TenantService, _ caller: Caller, _ preferences: Preferences
    ) throws -> NewJob {
        let id = JobID(milliseconds: UInt64(Date().timeIntervalSince1970 * 1000))
        let settings = ScriptSettings(config: service.config)
        let payload = JobPayload(request: request, session: caller.session, requestID: caller.requestID)
        let isAsynchronous = preferences.isAsynchronous
        return NewJob(
            id: id, tenant: caller.tenant.id, app: caller.session.appID, account: caller.session.user?.id,
            service: service.name, serviceID: service.id, version: service.version, verb: request.verb,
            isAsynchronous: isAsynchronous, maxAttempts: isAsynchronous ? settings.maxAttempts : 1,
            wall: settings.limits(caller.tenant.quotas, asynchronous: isAsynchronous).wall,
            ingress: platform.waiters.ingress,
            payload: try caller.tenant.dataKey.seal(payload.bytes, label: JobResponses.payloadLabel(id)))
    }
}
