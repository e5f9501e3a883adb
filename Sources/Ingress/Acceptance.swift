import Catalog
import Core
import Database
import FoundationEssentials
import JobQueue
import Platform

/// From an authorised call of a script to its job, and to the answer that the caller waits for.
struct Acceptance: Sendable {
    let platform: Platform

    /// An idempotency key has brought the caller to a job that is there already.
    private struct Repeated: Error {
        let id: JobID
    }

    /// Writes the job, waits as long as the caller wants, and gives the script's response or a 202.
    /// - Parameter service: nil for a service of the platform's own.
    /// - Throws: ``ServiceError``; `DatabaseError`, where the job may have been written.
    func answer(_ request: ServiceRequest, _ service: TenantService?, _ caller: Caller) async throws -> ServiceResponse
    {
        let settings = ScriptSettings(config: service?.config ?? .emptyObject)
        let preferences = try Preferences(request, settings, now: .now)
        let draft = JobDraft(
            platform: platform, request: request, service: service, caller: caller,
            isAsynchronous: preferences.isAsynchronous)
        var job = try draft.job(idempotencyKey: preferences.idempotencyKey)
        job.start = preferences.start
        job.priority = preferences.priority
        if let key = preferences.idempotencyKey {
            job.idempotency = Self.idempotency(key, request, caller)
        }
        var (id, response) =
            preferences.isAsynchronous
            ? try await accept(job, preferences, settings, caller)
            : try await wait(for: job, preferences, settings, caller)
        response.headers.append((name: "X-Scriptorium-Job", value: id.description))
        return response
    }

    /// 202 at once, or the response of the job that the idempotency key has, where that has ended.
    private func accept(
        _ job: NewJob, _ preferences: Preferences, _ settings: ScriptSettings, _ caller: Caller
    ) async throws -> (JobID, ServiceResponse) {
        let id: JobID
        var response: ServiceResponse
        do {
            try await enqueue(job)
            id = job.id
            response = JobView.accepted(id, status: .queued, isQueuedService: settings.isQueued)
        } catch let repeated as Repeated {
            id = repeated.id
            if let result = try await platform.queue.result(id, of: caller.tenant.id) {
                let responses = JobResponses(tenant: caller.tenant)
                return (id, try responses.outcome(of: result, requestID: caller.requestID).response)
            }
            let record = try await platform.queue.job(id, of: caller.tenant.id)
            response = JobView.accepted(
                id, status: record?.status ?? .queued, isQueuedService: settings.isQueued)
        }
        if preferences.asksToRespondAsync {
            response.headers.append((name: "Preference-Applied", value: "respond-async"))
        }
        return (id, response)
    }

    private func wait(
        for job: NewJob, _ preferences: Preferences, _ settings: ScriptSettings, _ caller: Caller
    ) async throws -> (JobID, ServiceResponse) {
        let quotas = caller.tenant.quotas
        let tenant = caller.tenant.id
        let seconds = min(preferences.wait ?? quotas.syncWaitSeconds, quotas.syncWaitMaxSeconds)
        let queue = platform.queue
        let cancels = settings.onWaitExpired == .cancel
        var job = job
        // Should nobody be left to cancel it: it is not begun after its caller's time.
        if cancels { job.startWithin = .seconds(seconds) }
        var id = job.id
        var result: StoredResult?
        do {
            result = try await platform.waiters.result(of: id, limit: .seconds(seconds)) { [job] in
                try await enqueue(job)
                return nil
            }
            // A caller that has hung up changes nothing.
            if result == nil, cancels, !Task.isCancelled {
                _ = try await queue.cancel(id, of: tenant, as: .expired)
                result = try await queue.result(id, of: tenant)
            }
        } catch let repeated as Repeated {
            id = repeated.id
            result = try await platform.waiters.result(of: id, limit: .seconds(seconds)) { [id] in
                // It may have ended before the wait began.
                try await queue.result(id, of: tenant)
            }
        }
        var response: ServiceResponse
        if let result {
            let responses = JobResponses(tenant: caller.tenant)
            response = try responses.outcome(of: result, requestID: caller.requestID).response
        } else {
            // The job stands whatever this look says: its id must reach the caller.
            let record = try? await queue.job(id, of: tenant)
            let reasons = WaitReasons(queue, caller.tenant)
            let reason: JSONText? = if let record { try? await reasons.reason(of: record) } else { nil }
            response = JobView.accepted(id, status: record?.status ?? .queued, waitReason: reason)
        }
        if preferences.wait != nil {
            response.headers.append((name: "Preference-Applied", value: "wait=\(JSONText.number(seconds))"))
        }
        return (id, response)
    }

    /// - Throws: ``Repeated``; ``ServiceError`` 422 where the key was used for another request, 429 where the tenant's queue
    ///   or its day is full.
    private func enqueue(_ job: NewJob) async throws {
        guard case .repeated(let id, let isSame) = try await platform.enqueue(job) else { return }
        guard isSame else {
            throw ServiceError(
                422,
                "This Idempotency-Key was used for another request within the last 24 hours. Send a new key with a new request.",
                context: [("job_id", .string(id.description))])
        }
        throw Repeated(id: id)
    }

    private static func idempotency(_ key: String, _ request: ServiceRequest, _ caller: Caller) -> IdempotencyKey {
        let session = caller.session
        // Users of one app are answered for themselves: what one of them was told is not for another who sends the same key.
        let owner = [session.appID.map { "app:\($0)" }, session.user.map { "account:\($0.id)" }].compactMap { $0 }
            .joined(separator: " ")
        let query = CredentialMask.removed(from: request.query)
        // Lengths first, so that no two requests read the same.
        let parts = [request.verb.rawValue, request.service, request.resource, query]
        let head = parts.map { "\($0.utf8.count):\($0)" }.joined()
        return IdempotencyKey(
            caller: owner, key: sha256(key), fingerprint: sha256(Array(head.utf8) + request.body))
    }
}
