import Catalog
import Core
import Execution

extension Platform {
    /// Runs a script for a call and turns what it did into the answer.
    /// - Parameter log: takes the script's output, line by line.
    public func run(_ call: ScriptCall, log: @escaping @Sendable (LogLine) -> Void) async -> ScriptOutcome {
        let clock = ContinuousClock()
        var limits = call.limits
        let left = clock.now.duration(to: call.deadline)
        limits.wall = min(limits.wall, left)
        let attempt = ScriptAttempt(
            language: call.script.language, name: "service.\(call.request.service)", source: call.script.source,
            event: EventView.json(of: call), platform: PlatformView.json(of: call, settings), limits: limits)
        let started = clock.now
        let report = await executor.execute(
            attempt, host: InternalCalls(platform: self, call: call, log: log))
        let outcome = ResultReading(call: call, name: attempt.name).outcome(of: report)
        ScriptMetrics.ran(call.script.language, run: started.duration(to: clock.now), cpu: outcome.cpu)
        return outcome
    }
}
