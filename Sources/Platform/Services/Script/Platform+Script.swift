import Catalog
import Core
import Execution

extension Platform {
    /// Runs a call with the scripts that take part in it, and turns what they did into the answer.
    /// - Parameter log: takes the scripts' output, line by line.
    public func run(_ call: ScriptCall, log: @escaping @Sendable (LogLine) -> Void) async -> ScriptOutcome {
        var run = EventedRun(platform: self, call: call, log: log)
        var outcome = await run.outcome()
        if call.depth == 0 { outcome.children = call.budget.children.all }
        return outcome
    }

    /// The scripts that run around a call, as they are now.
    public func events(of request: ServiceRequest, _ caller: Caller) -> [EventScript] {
        let tenant = caller.tenant
        guard !tenant.eventScripts.isEmpty else { return [] }
        let service = tenant.services[request.service]
        guard service != nil || BuiltInEvents.has(request) else { return [] }
        return EventPath(request, service: service).scripts(tenant.eventScripts)
    }
}
