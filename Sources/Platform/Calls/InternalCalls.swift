import Catalog
import Core
import Execution
import JobQueue
import Logging
import Outbound

/// What a script asks through `platform.api`: calls of the tenant's own services, with the script's session as requestor
/// SCRIPT, within the caller's slot and deadline.
struct InternalCalls: ScriptHost {
    let platform: Platform
    let call: ScriptCall
    /// Of the script that asks.
    let language: ScriptLanguage
    let log: @Sendable (LogLine) -> Void

    func log(_ line: LogLine) {
        if let kept = call.budget.keep(line) { log(kept) }
    }

    func answer(_ question: ScriptQuestion) async -> ScriptAnswer {
        guard call.budget.takeCall() else {
            return .refused(
                "The scripts of this job have made all the calls of the platform that they may make (api_calls).")
        }
        do {
            return .value(try await value(of: question))
        } catch {
            return .refused(describe(error).message)
        }
    }

    private func value(of question: ScriptQuestion) async throws -> JSONText {
        // A service has its own store, and all the platform's services have one together.
        let service = call.caller.tenant.services[call.request.service]?.id ?? 0
        let store = platform.catalog.store(call.caller.tenant, service: service)
        switch question {
        case .stored(let key): return try await store.value(of: key)
        case .store(let key, let value, let ttl):
            try await store.set(key, to: value, ttl: ttl)
            return .bool(true)
        case .forget(let key): return .bool(try await store.delete(key))
        case .lookup(let name): return platform.lookup(name, for: call.caller)
        }
    }

    func call(_ asked: APICall) async -> APIReply {
        let response: ServiceResponse
        do {
            response = try await answer(asked)
        } catch {
            response = .error(describe(error))
        }
        return APIReply(
            status: response.status,
            headers: response.headers.map { (name: $0.name.lowercased(), value: $0.value) }, body: response.body)
    }

    /// The error as the script may see it, with the id of the request behind it all; what it may not is in the log.
    private func describe(_ error: any Error) -> ServiceError {
        let requestID = call.caller.requestID
        var logger = platform.logger
        logger[metadataKey: "job_id"] = "\(call.job.id)"
        logger[metadataKey: "trace_id"] = "\(call.caller.trace.traceID)"
        var shown = ServiceError(describing: error, logger, requestID: requestID)
        shown.context.insert(("request_id", .string(requestID)), at: 0)
        return shown
    }

    private func answer(_ asked: APICall) async throws -> ServiceResponse {
        guard call.budget.takeCall() else {
            throw ServiceError(
                429, "The scripts of this job have made all the platform.api calls that they may make (api_calls).",
                context: [("limit", .string("api_calls"))])
        }
        var path = asked.path[...]
        if InternalPath.isAbsolute(asked.path) {
            let url = WebURL(asked.path)
            let inner = url.flatMap { InternalPath.inside($0, platform.settings.publicURL) }
            guard let inner else { return try await leave(asked, url) }
            path = inner
        }
        let request = try InternalPath(asked, path: path).request
        // The catalogue may have moved on since the job began: a script sees what its caller would see now.
        guard let tenant = try await platform.catalog.tenant(call.caller.tenant.id) else {
            throw ServiceError.notFound("Could not find a service for \(request.service)")
        }
        var caller = call.caller
        caller.tenant = tenant
        caller.session.requestor = .script
        let events = platform.events(of: request, caller)
        switch try platform.target(of: request, caller) {
        case .builtIn where events.isEmpty: return try await platform.respond(to: request, caller)
        case .builtIn: return try await run(.builtIn, .emptyObject, events, request, caller)
        case .script(let service) where ScriptSettings(config: service.config).isQueued:
            return try await Self.enqueued(service, request, caller, platform)
        case .script(let service):
            let reference = ScriptReference(tenant: caller.tenant.id, service: service.id, version: service.version)
            guard let script = try await platform.catalog.script(reference) else {
                throw ServiceError.notFound("Could not find a service for \(request.service)")
            }
            return try await run(.script(script, reference), script.config, events, request, caller)
        }
    }

    /// A queued service runs after its callers, whoever they are.
    private static func enqueued(
        _ service: TenantService, _ request: ServiceRequest, _ caller: Caller, _ platform: Platform
    ) async throws -> ServiceResponse {
        var job = try JobDraft(
            platform: platform, request: request, service: service, caller: caller, isAsynchronous: true
        ).job()
        job.start = ScriptSettings(config: service.config).delaySeconds.map { .after(.seconds($0)) }
        try await platform.enqueue(job)
        return JobView.accepted(job.id, status: .queued, isQueuedService: true)
    }

    /// Makes a call that leaves the installation. What is refused is named in the job's log.
    private func leave(_ asked: APICall, _ url: WebURL?) async throws -> ServiceResponse {
        guard call.budget.beginOutsideCall() else {
            throw ServiceError(
                429, "The scripts of this job have \(AttemptBudget.mostOutsideCalls) calls under way outside already.")
        }
        defer { call.budget.endOutsideCall() }
        do {
            guard let url else { throw ServiceError.notWeb }
            // The rules of now, not of when the job began.
            let quotas = try await platform.catalog.tenant(call.caller.tenant.id)?.quotas ?? call.caller.tenant.quotas
            let response = try await OutsideCall(asked, to: url, by: call, language).answer(
                platform.outside, under: EgressRules(quotas.egress), publicURL: platform.settings.publicURL)
            OutsideMetrics.answered()
            return language.isLikeCurl && response.status >= 300 ? response.asCurlError : response
        } catch let error as ServiceError {
            let isRefused = [400, 403].contains(error.status)
            OutsideMetrics.failed(isRefused: isRefused)
            if isRefused, let line = call.budget.refusal("\(asked.verb.prefix(20)) refused: \(error.message)") {
                log(line)
            }
            throw error
        }
    }

    private func run(
        _ work: ScriptCall.Work, _ config: JSONText, _ events: [EventScript], _ request: ServiceRequest,
        _ caller: Caller
    ) async throws -> ServiceResponse {
        let quotas = caller.tenant.quotas
        guard call.depth < quotas.callDepth else {
            call.budget.fired("call_depth")
            throw ServiceError(
                508, "Scripts call each other more than \(quotas.callDepth) deep (call_depth).",
                context: [("limit", .string("call_depth"))])
        }
        let nested = call.nested(
            caller, request, work, events, ScriptSettings(config: config).limits(quotas, asynchronous: true))
        let began = ContinuousClock.now
        let lines = ChildLog()
        let outcome = await platform.run(nested) { line in
            lines.append(line)
            log(line)
        }
        let child = ChildJob(nested, by: call.job.id, began: began, outcome: outcome, entries: lines.entries)
        if let word = call.budget.children.add(child) { log(LogLine(stream: .system, text: word)) }
        // Whose own time is over hears nothing more: its end is on the way, and cancels this.
        if ContinuousClock.now >= call.deadline { try await Task.sleep(for: .seconds(5)) }
        return outcome.outcome.response
    }
}
