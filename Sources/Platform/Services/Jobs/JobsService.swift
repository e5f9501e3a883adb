import Catalog
import Core
import Database
import FoundationEssentials
import JobQueue

/// `/api/v2/jobs`: what became of an invocation (contract.md §5).
struct JobsService: BuiltInService {
    let platform: Platform

    /// The longest wait of one call.
    static let longestWait = 60.0
    /// For how long after its acceptance a job's id is answered with 410: twice the longest retention.
    static let longestMemory = Duration.seconds(2 * 31_536_000)

    func answer(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        let segments = request.resource.split(separator: "/")
        guard let first = segments.first else {
            try request.allow(.get)
            return .json(try await JobListing(platform: platform).page(request, caller))
        }
        guard let id = JobID(String(first)), let record = try await visible(id, request.verb, caller) else {
            throw ServiceError.notFound("Job '\(first)' not found.")
        }
        switch (segments.dropFirst().joined(separator: "/"), request.verb) {
        case ("", .delete): return try await cancel(record, caller)
        case ("retry", .post): return try await retry(record, caller)
        case ("retry", _): throw ServiceError.notAllowed(request.verb.rawValue, on: "jobs/{id}/retry", allowed: [.post])
        case ("", .get): return try await show(try await settle(record, request, caller), caller)
        case ("", _): throw ServiceError.notAllowed(request.verb.rawValue, on: "jobs/{id}", allowed: [.get, .delete])
        case (_, let verb) where verb != .get:
            throw ServiceError.notAllowed(verb.rawValue, on: "jobs/\(request.resource)", allowed: [.get])
        case ("response", _): return try await response(of: try await settle(record, request, caller), caller)
        case ("attempts", _):
            let attempts = try await platform.queue.attempts(of: id, of: caller.tenant.id)
            return .json(.object([("resource", .array(attempts.map(\.json)))]))
        case ("request", _): return .json(try await self.request(of: record, caller))
        case ("logs", _): return try await logs(of: try await settle(record, request, caller), request, caller)
        default: throw ServiceError.notFound("Resource '\(request.resource)' not found for service 'jobs'.")
        }
    }

    /// The job, where the caller may see it: an app its own, a user theirs, an admin all. Any other id is as good as none.
    /// - Throws: ``ServiceError`` 410 where it is past the tenant's retention.
    private func visible(_ id: JobID, _ verb: Verb, _ caller: Caller) async throws -> JobRecord? {
        let seconds = caller.tenant.quotas.retentionSeconds
        let retention = Duration.seconds(seconds)
        let gone = ServiceError(
            410,
            "The job is past this tenant's retention of \(JSONText.number(seconds)) seconds (retention_seconds).",
            context: [("limit", .string("retention_seconds"))])
        guard let record = try await platform.queue.job(id, of: caller.tenant.id) else {
            // An id of that age says so by itself: whether there was such a job is not told. One that is older than any
            // retention can be is no job's.
            let made = Timestamp(microseconds: Int64(clamping: id.milliseconds) * 1000)
            let now = Timestamp.now
            if made + retention < now, now < made + Self.longestMemory { throw gone }
            return nil
        }
        guard JobVisibility(caller, verb).allows(record) else { return nil }
        if let finished = record.finishedAt, finished + retention < Timestamp.now { throw gone }
        return record
    }

    private func waitSeconds(_ request: ServiceRequest) throws -> Double {
        guard let text = Query.value("wait", in: request.query) else { return 0 }
        guard let seconds = Double(text), seconds >= 0, seconds.isFinite else {
            throw ServiceError.badRequest("'wait' must be a number of seconds from 0 to 60.")
        }
        return min(seconds, Self.longestWait)
    }

    /// The job when it has ended, or as it stands when the wait that the request asks for is over.
    private func settle(_ record: JobRecord, _ request: ServiceRequest, _ caller: Caller) async throws -> JobRecord {
        let seconds = try waitSeconds(request)
        guard !record.status.isFinal, seconds > 0 else { return record }
        let id = record.id
        let tenant = caller.tenant.id
        let queue = platform.queue
        _ = try await platform.waiters.result(of: id, limit: .seconds(seconds)) {
            // It may have ended before the wait began.
            try await queue.result(id, of: tenant)
        }
        return try await queue.job(id, of: tenant) ?? record
    }

    private func show(
        _ record: JobRecord, _ caller: Caller, status: Int = 200, headers: [(name: String, value: String)] = []
    ) async throws -> ServiceResponse {
        let reason = try await WaitReasons(platform.queue, caller.tenant).reason(of: record)
        return .json(
            try JobView(record: record, caller: caller, waitReason: reason).json, status: status, headers: headers)
    }

    private func response(of record: JobRecord, _ caller: Caller) async throws -> ServiceResponse {
        guard record.status.isFinal, let result = try await platform.queue.result(record.id, of: caller.tenant.id)
        else {
            let reason = try await WaitReasons(platform.queue, caller.tenant).reason(of: record)
            return JobView.accepted(record.id, status: record.status, waitReason: reason)
        }
        guard try await !isSignIn(record, caller) else {
            throw ServiceError(
                410, "The response of a sign-in was for its caller alone. Sign in again.",
                context: [("job_id", .string(record.id.description))])
        }
        return try JobResponses(tenant: caller.tenant).outcome(of: result, requestID: caller.requestID).response
    }

    private func cancel(_ record: JobRecord, _ caller: Caller) async throws -> ServiceResponse {
        let id = record.id
        guard !record.status.isFinal, try await platform.queue.cancel(id, of: caller.tenant.id) == .done else {
            throw ServiceError(
                409, "The job has ended already: there is nothing to cancel.",
                context: [("job_id", .string(id.description))])
        }
        return try await show(try await platform.queue.job(id, of: caller.tenant.id) ?? record, caller)
    }

    /// The same request as a new asynchronous job, for the script as it is now.
    private func retry(_ record: JobRecord, _ caller: Caller) async throws -> ServiceResponse {
        let context: [(String, JSONText)] = [("job_id", .string(record.id.description))]
        if let parent = record.parent {
            throw ServiceError(
                409, "The job is a call by a script of another one. Repeat that: \(JobView.href(parent)).",
                context: context)
        }
        guard record.status.isFinal else {
            throw ServiceError(
                409, "The job has not ended. Wait for its end, or cancel it first.", context: context)
        }
        guard let payload = try await payload(of: record, caller) else {
            throw ServiceError.notFound("Job '\(record.id)' not found.")
        }
        var first = caller
        first.session = try await renewed(payload.session, caller, context)
        var job = try draft(payload, first, context).job()
        job.retryOf = record.id
        job.priority = record.priority
        try await platform.enqueue(job)
        guard let written = try await platform.queue.job(job.id, of: caller.tenant.id) else {
            throw ServiceError(503, "The new job can not be read yet: look at \(JobView.href(job.id)).", retryAfter: 1)
        }
        return try await show(
            written, caller, status: 201, headers: [(name: "Location", value: JobView.href(job.id))])
    }

    private func draft(
        _ payload: JobPayload, _ caller: Caller, _ context: [(String, JSONText)]
    ) throws(ServiceError) -> JobDraft {
        if var event = payload.queuedEvent {
            guard let script = caller.tenant.eventScripts[event.script.name] else {
                throw ServiceError(
                    409, "The event script '\(event.script.name)' was deleted or switched off since.", context: context)
            }
            event.script = script
            return JobDraft(platform: platform, request: payload.request, event: event, caller: caller)
        }
        var service: TenantService?
        if case .script(let found) = try platform.target(of: payload.request, caller) { service = found }
        return JobDraft(
            platform: platform, request: payload.request, service: service, caller: caller, isAsynchronous: true)
    }

    /// The session of the first call as it would be made now: rights that were taken away since do not come back with it.
    private func renewed(
        _ session: Session, _ caller: Caller, _ context: [(String, JSONText)]
    ) async throws -> Session {
        func gone(_ who: String) -> ServiceError {
            ServiceError(
                409, "The \(who) that made the job was deleted or switched off since. Send the call with your own.",
                context: context)
        }
        var session = session
        let tenant = caller.tenant
        if let id = session.appID {
            guard let app = tenant.apps[id], app.isActive else { throw gone("app") }
            session.role = tenant.role(of: nil, with: app)
        }
        var account: Account?
        if let user = session.user {
            account = try await platform.catalog.account(user.id, of: tenant.id)
            guard let account, account.isActive else { throw gone("user") }
            session.user = account.sessionUser
            session.role = tenant.role(of: account, with: session.appID.flatMap { tenant.apps[$0] })
        }
        session.lookups = tenant.lookups(of: account, role: session.role, app: session.appID).shown
        return session
    }

    /// Whether the job's response is somebody's session token: more people may see a job than may sign in.
    private func isSignIn(_ record: JobRecord, _ caller: Caller) async throws -> Bool {
        guard ["user", "system"].contains(record.service), let payload = try await payload(of: record, caller) else {
            return false
        }
        return payload.queuedEvent == nil && payload.request.isSession
    }

    private func payload(of record: JobRecord, _ caller: Caller) async throws -> JobPayload? {
        guard let sealed = try await platform.queue.payload(record.id, of: caller.tenant.id) else { return nil }
        if sealed.isEmpty { throw JobResponses.notKept(record.id) }
        let bytes = try caller.tenant.dataKey.open(sealed, label: JobResponses.payloadLabel(record.id))
        return JobPayload(bytes: bytes, tenant: caller.tenant.id)
    }

    /// The stored request, its credentials masked. A body that is not text comes as base64.
    private func request(of record: JobRecord, _ caller: Caller) async throws -> JSONText {
        guard let request = try await payload(of: record, caller)?.request else {
            throw ServiceError.notFound("Job '\(record.id)' not found.")
        }
        let isForm = request.header("content-type")?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true
        let text = String(validating: request.body, as: UTF8.self).map { CredentialMask.body($0, isForm: isForm) }
        return .object([
            ("method", .string(request.verb.rawValue)),
            ("service", .string(request.service)),
            ("resource", .string(request.resource)),
            ("query", .string(CredentialMask.query(request.query))),
            (
                "headers",
                .array(
                    request.headers.map { header in
                        .object([
                            ("name", .string(header.name)),
                            ("value", .string(CredentialMask.header(header.name, header.value))),
                        ])
                    })
            ),
            ("body", .string(text)),
            ("body_base64", text == nil ? .string(Data(request.body).base64EncodedString()) : .null),
        ])
    }

    /// Whether who was let in at the start of a long answer would be let in again.
    private func isStillWelcome(_ caller: Caller) async throws -> Bool {
        guard let tenant = try await platform.catalog.tenant(caller.tenant.id), !tenant.suspended else { return false }
        if let app = caller.session.appID, tenant.apps[app]?.isActive != true { return false }
        if let claims = caller.claims, tenant.revokedTokens.contains(claims.id) || claims.expires < Date() {
            return false
        }
        guard let user = caller.session.user else { return true }
        guard let account = try await platform.catalog.account(user.id, of: tenant.id), account.isActive else {
            return false
        }
        return caller.claims.map { $0.generation == account.tokenGeneration } ?? true
    }

    private func logs(
        of record: JobRecord, _ request: ServiceRequest, _ caller: Caller
    ) async throws -> ServiceResponse {
        let isStream = request.header("accept")?.lowercased().contains("text/event-stream") == true
        let after = (isStream ? request.header("last-event-id") : nil) ?? Query.value("after", in: request.query) ?? "0"
        guard let seq = Int64(after), seq >= 0 else {
            throw ServiceError.badRequest(
                "'after' and Last-Event-ID must be the 'seq' of a log line, a whole number from 0.")
        }
        let reader = LogReader(queue: platform.queue, tenant: caller.tenant, job: record.id)
        guard isStream else {
            let lines = try await reader.lines(after: seq)
            return .json(.object([("resource", .array(lines.map(\.json)))]))
        }
        guard let place = platform.followers.enter(caller.tenant.id) else {
            throw ServiceError(
                429,
                "This tenant follows \(LogFollowers.mostOfTenant) logs here already. End one, or read the log without following it.",
                retryAfter: 5)
        }
        let follower = LogFollower(reader: reader, after: seq, place: place) { try await isStillWelcome(caller) }
        var response = ServiceResponse(
            headers: [
                (name: "Content-Type", value: "text/event-stream"), (name: "Cache-Control", value: "no-store"),
                // A proxy that gathers the answer would hold the lines back.
                (name: "X-Accel-Buffering", value: "no"),
            ])
        response.stream = AsyncThrowingStream { try await follower.next() }
        return response
    }
}
