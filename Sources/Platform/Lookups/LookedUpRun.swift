import Core
import Execution

/// Runs a script with the values that its session can look up: `{name}` in its strings, `platform.lookup`, and the mask over what it
/// prints and over its errors.
struct LookedUpRun {
    let platform: Platform
    let call: ScriptCall
    let log: @Sendable (LogLine) -> Void

    /// How many places one line of the log names.
    private static let mostNamed = 20

    func report(of attempt: ScriptAttempt) async -> AttemptReport {
        var call = call
        do {
            call.caller.lookups = try await platform.lookups(of: call.caller)
        } catch {
            return Self.ended(Task.isCancelled ? .cancelled : .lost("the lookups can not be read: \(error)"))
        }
        let session = call.caller.session
        let table = call.caller.lookups
        let secrets = Array(table.hidden.values) + [session.apiKey, session.token].compactMap(\.self)
        let mask = SecretMask(secrets)
        let log = { @Sendable [log] (line: LogLine) in
            log(LogLine(stream: line.stream, text: mask.applied(to: line.text)))
        }
        let builtIn = BuiltInLookups(session: session, settings: platform.settings)
        var attempt = attempt
        do throws(ScriptSource.TooLarge) {
            let source = try ScriptSource(attempt.source, language: attempt.language) { builtIn[$0] ?? table[$0] }
            attempt.source = source.text
            for text in Self.notices(of: source) { log(LogLine(stream: .system, text: text)) }
        } catch {
            return Self.ended(.result(ScriptResult(error: ScriptError(kind: .thrown, message: error.message))))
        }
        var report = await platform.executor.execute(
            attempt, host: InternalCalls(platform: platform, call: call, language: attempt.language, log: log))
        report.ending = mask.applied(to: report.ending)
        return report
    }

    /// Who reads the source sees other words than those that run: the log says where.
    private static func notices(of source: ScriptSource) -> [String] {
        func named(_ mentions: [ScriptSource.Mention]) -> String {
            let more = mentions.count > mostNamed ? " and \(mentions.count - mostNamed) more" : ""
            return mentions.prefix(mostNamed).map { "{\($0.expression)} in line \($0.line)" }.joined(separator: ", ")
                + more
        }
        var notices: [String] = []
        if !source.replaced.isEmpty { notices.append("Lookups in the source: \(named(source.replaced)).") }
        if !source.left.isEmpty {
            notices.append(
                "Left as they are, because they do not stand in a string: \(named(source.left)). Use quotes, or"
                    + " platform.lookup(name).")
        }
        return notices
    }

    private static func ended(_ ending: AttemptReport.Ending) -> AttemptReport {
        AttemptReport(ending: ending)
    }
}

extension SecretMask {
    /// The ending with its errors masked. What the script answers is the script's own.
    func applied(to ending: AttemptReport.Ending) -> AttemptReport.Ending {
        switch ending {
        case .exited(let code, let line): return .exited(code: code, lastErrorLine: line.map { applied(to: $0) })
        case .crashed(let signal, let line):
            return .crashed(signal: signal, lastErrorLine: line.map { applied(to: $0) })
        case .result(var result):
            result.exception = result.exception.map { applied(to: $0) }
            if let error = result.returned?["error"], !error.isNull, let returned = result.returned {
                result.returned = .object(
                    returned.members.map { ($0.key, $0.key == "error" ? applied(to: $0.value) : $0.value) })
            }
            if var error = result.error {
                error.message = applied(to: error.message)
                error.trace = error.trace.map { applied(to: $0) }
                error.context = error.context.map { applied(to: $0) }
                result.error = error
            }
            return .result(result)
        case .limit, .violation, .cancelled, .lost: return ending
        }
    }
}
