import Catalog
import Core
import Execution
import JobQueue
import Logging

/// One call with the scripts of its events around it: before, the service, after, and what merely follows (dreamfactory.md §7).
struct EventedRun {
    private let platform: Platform
    private let log: @Sendable (LogLine) -> Void
    /// Its request is what the scripts before the service have made of it.
    private var call: ScriptCall
    private var usage = AttemptUsage()
    /// What went wrong first: the job's error, even where a later script answers in its place.
    private var failure: ScriptFailure?

    init(platform: Platform, call: ScriptCall, log: @escaping @Sendable (LogLine) -> Void) {
        self.platform = platform
        self.call = call
        self.log = log
    }

    mutating func outcome() async -> ScriptOutcome {
        var reply: Reply
        do throws(ScriptFailure) {
            reply =
                if case .queuedEvent(let event, let script) = call.work {
                    .answer(try await queued(event, script))
                } else if let answer = try await before() {
                    .answer(answer)
                } else {
                    try await service()
                }
        } catch {
            reply = failed(error)
        }
        if failure?.endsAttempt != true {
            reply = await after(reply)
            reply = await plain(reply)
        }
        return finished(reply)
    }

    private mutating func failed(_ error: ScriptFailure) -> Reply {
        failure = failure ?? error
        return .failed(error, shown: call.contextualised(error.shown))
    }

    private var path: EventPath {
        EventPath(call.request, service: call.caller.tenant.services[call.request.service])
    }

    private func scripts(_ stage: EventStage) -> [EventScript] { call.events.filter { $0.stage == stage } }

    /// The answer of a script that lets the service be skipped; nil where none does.
    private mutating func before() async throws(ScriptFailure) -> Answer? {
        for script in scripts(.before) {
            let given = call.request.eventView
            guard let effect = try await run(script, request: given, response: .emptyObject) else { continue }
            if let found = effect.request {
                do {
                    call.request = try RequestEdits(request: call.request, given: given).applied(found)
                } catch {
                    throw .service(error)
                }
            }
            if let answer = effect.answer ?? effect.response.map({ ResultReading.answer($0) }) { return answer }
            if effect.stopsPropagation { break }
        }
        return nil
    }

    private mutating func service() async throws(ScriptFailure) -> Reply {
        switch call.work {
        case .script(let script, let reference):
            let report = await execute(
                script, name: "service.\(call.request.service)", event: EventView(call: call).service, as: reference)
            return .answer(try ResultReading(limits: call.limits).answer(of: report.ending))
        case .builtIn:
            do {
                let response = try await platform.respond(to: call.request, call.caller)
                try await platform.adopt(response, to: call.request, &call.caller)
                return .response(response)
            } catch {
                if Task.isCancelled { throw .cancelled }
                var logger = platform.logger
                logger[metadataKey: "job_id"] = "\(call.job.id)"
                throw .service(ServiceError(describing: error, logger, requestID: call.caller.requestID))
            }
        case .queuedEvent(let event, let script): return .answer(try await queued(event, script))
        }
    }

    /// These run after errors and after skipped services, too, and each sees what the one before has made of the response.
    private mutating func after(_ reply: Reply) async -> Reply {
        var reply = reply
        for script in scripts(.after) {
            do throws(ScriptFailure) {
                guard let effect = try await run(script, request: call.request.eventView, response: reply.view) else {
                    continue
                }
                if let answer = effect.answer ?? effect.response.flatMap({ reply.edited($0) }) {
                    reply = .answer(answer)
                }
                if effect.stopsPropagation { break }
            } catch {
                reply = failed(error)
                if error.endsAttempt { break }
            }
        }
        return reply
    }

    /// What follows has no say in the response, but an error of it is one of the call.
    private mutating func plain(_ reply: Reply) async -> Reply {
        do throws(ScriptFailure) {
            for script in call.events {
                switch script.stage {
                case .plain:
                    let effect = try await run(script, request: call.request.eventView, response: reply.view)
                    if effect?.stopsPropagation == true { return reply }
                case .queued: await enqueue(script, reply)
                case .before, .after: break
                }
            }
            return reply
        } catch {
            return failed(error)
        }
    }

    /// Writes the job of a queued script. Whether it can be written says nothing of the call that it follows.
    private func enqueue(_ script: EventScript, _ reply: Reply) async {
        do {
            let event = QueuedEvent(script: script, resource: path.resource, response: reply.view)
            let draft = JobDraft(platform: platform, request: call.request, event: event, caller: call.caller)
            var job = try draft.job()
            // An attempt that is repeated finds the job of the attempt before.
            job.idempotency = IdempotencyKey(
                caller: "job:\(call.job.root)", key: sha256("\(script.name) \(call.budget.nextNumber())"),
                fingerprint: []
            )
            try await platform.enqueue(job)
        } catch {
            var logger = platform.logger
            logger[metadataKey: "job_id"] = "\(call.job.id)"
            let shown = ServiceError(describing: error, logger, requestID: call.caller.requestID)
            say("The queued script '\(script.name)' has no job: \(shown.message)")
        }
    }

    private mutating func queued(_ event: QueuedEvent, _ script: Script) async throws(ScriptFailure) -> Answer {
        let view = EventView(call: call).event(
            event.script, request: call.request.eventView, resource: event.resource, response: event.response)
        let report = await execute(script, name: event.script.name, event: view)
        let reading = ResultReading(limits: call.limits)
        // Its result is what it returns: what it does to the event reaches nobody.
        guard let result = try reading.result(of: report.ending) else { return Answer() }
        if let answer = Answer(printedBy: result) { return answer }
        guard let returned = try reading.returned(result) else { return Answer() }
        return ResultReading.answer(returned["response"] ?? returned, extra: result.headers)
    }

    /// Runs a script of an event; nil where it was deleted since the call was accepted.
    private mutating func run(
        _ script: EventScript, request: JSONText, response: JSONText
    ) async throws(ScriptFailure) -> EventEffect? {
        let source: Script?
        do {
            source = try await platform.catalog.source(of: script, tenant: call.caller.tenant.id)
        } catch {
            throw Task.isCancelled ? .cancelled : .lost("the source of '\(script.name)' can not be read: \(error)")
        }
        guard let source else { return nil }
        let event = EventView(call: call).event(script, request: request, resource: path.resource, response: response)
        let report = await execute(source, name: script.name, event: event)
        return try EventEffect(script, report, ResultReading(limits: call.limits))
    }

    /// - Parameter reference: which service's script it is; nil for a script of an event, whose processes are not reused.
    private mutating func execute(
        _ script: Script, name: String, event: JSONText, as reference: ScriptReference? = nil
    ) async -> AttemptReport {
        let clock = ContinuousClock()
        var limits = call.limits
        limits.wall = max(.zero, min(limits.wall, clock.now.duration(to: call.deadline)))
        limits.cpu = min(limits.cpu - usage.cpu, call.budget.cpu)
        guard limits.cpu > .zero else { return AttemptReport(ending: .limit(overCPU)) }
        var attempt = ScriptAttempt(
            language: script.language, name: name, source: script.source, event: event,
            platform: PlatformView.json(of: call, platform.settings), limits: limits, tenant: call.caller.tenant.name)
        if let reference, ScriptSettings(config: script.config).isReused {
            attempt.reuse = ReuseKey(
                tenant: reference.tenant, service: reference.service, version: reference.version, limits: limits)
        }
        let started = clock.now
        var report = await LookedUpRun(platform: platform, call: call, log: log).report(of: attempt)
        usage += report.usage
        call.budget.spend(cpu: report.usage.cpu)
        ScriptMetrics.ran(script.language, run: started.duration(to: clock.now), report.usage)
        // What the script has called used of the same time, and is known only now.
        if report.ending.isOwn, usage.cpu > call.limits.cpu || call.budget.cpu < .zero {
            report.ending = .limit(overCPU)
        }
        count(report, limits)
        return report
    }

    private var overCPU: LimitHit {
        LimitHit(key: "cpu_seconds", value: "\(JSONText.number(call.limits.cpu.seconds)) s")
    }

    /// Counts the limits that fired in one of the scripts.
    private func count(_ report: AttemptReport, _ limits: AttemptLimits) {
        if case .limit(let hit) = report.ending {
            call.budget.fired(hit.key == "wall_seconds" ? limits.wallKey : hit.key)
        }
        if report.usage.apiCalls > limits.apiCalls { call.budget.fired("api_calls") }
        if report.logTruncated { call.budget.fired("log_bytes") }
    }

    private func say(_ text: String) {
        if let line = call.budget.keep(LogLine(stream: .system, text: text)) { log(line) }
    }

    private mutating func finished(_ reply: Reply) -> ScriptOutcome {
        var response = ServiceResponse()
        do throws(ScriptFailure) {
            switch reply {
            case .answer(let answer): response = try answer.rendered(for: call)
            case .response(let given):
                response = BuiltInRendering.response(given, to: call.request, limit: call.limits.responseBytes)
            case .failed(let failure, _): throw failure
            }
        } catch {
            failure = failure ?? error
            // The response of a script, as it was to be sent.
            if case .limit(let hit) = error { call.budget.fired(hit.key) }
            response = ErrorRendering.response(
                call.contextualised(error.shown), accept: AcceptedTypes.header(of: call.request))
        }
        return ScriptOutcome(
            status: failure?.status ?? .succeeded,
            outcome: JobOutcome(response: response, error: failure?.json ?? .null), usage: usage,
            isLost: failure?.isLost ?? false)
    }
}
