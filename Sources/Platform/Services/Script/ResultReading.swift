import Core
import Execution

/// From what a script did to its answer (dreamfactory.md §2.1): exception before return before `event.response`.
struct ResultReading {
    let limits: AttemptLimits

    /// What the harness delivered; nil where the script ended by itself, without a result.
    /// - Throws: ``ScriptFailure`` for every other end, and for what the script threw.
    func result(of ending: AttemptReport.Ending) throws(ScriptFailure) -> ScriptResult? {
        switch ending {
        case .result(let result):
            if let error = result.error { throw .script(error) }
            if let exception = result.exception, !exception.isEmptyForPHP { throw .exception(exception) }
            return result
        case .exited(code: 0, _): return nil
        case .exited(let code, let line): throw .exit(code, line)
        // A shell reports a signal as 128 and its number, and DreamFactory reports what the shell says.
        case .crashed(let signal, let line): throw .exit(128 + signal, line)
        case .limit(let hit) where hit.key == "wall_seconds":
            // What the author or the operator has set, not what was left of it.
            throw .limit(LimitHit(key: limits.wallKey, value: "\(JSONText.number(limits.wall.seconds)) s"))
        case .limit(let hit) where hit.key == "cpu_seconds":
            throw .limit(LimitHit(key: hit.key, value: "\(JSONText.number(limits.cpu.seconds)) s"))
        case .limit(let hit): throw .limit(hit)
        case .violation(let why): throw .violation(why)
        case .cancelled: throw .cancelled
        case .lost(let why): throw .lost(why)
        }
    }

    /// A service's answer.
    func answer(of ending: AttemptReport.Ending) throws(ScriptFailure) -> Answer {
        // Without a result there is none: the event as it was, an empty answer.
        guard let result = try result(of: ending) else { return Answer() }
        if let answer = Answer(printedBy: result) { return answer }
        if let returned = try returned(result) {
            // A result with a key `response` stands for it.
            return Self.answer(returned["response"] ?? returned, extra: result.headers)
        }
        if let response = result.response {
            // A response that is null counts as one that was never touched.
            return response.isNull ? Answer() : Self.answer(response, extra: result.headers)
        }
        return Self.answer(result.event ?? .null, extra: result.headers)
    }

    /// What the script returned; nil where that counts as nothing.
    /// - Throws: ``ScriptFailure`` for an object with `error`.
    func returned(_ result: ScriptResult) throws(ScriptFailure) -> JSONText? {
        guard let returned = result.returned, !returned.isEmptyForPHP else { return nil }
        if let error = returned["error"], !error.isNull { throw .returned(error) }
        return returned
    }

    /// An object with `content` is a response; all else is the content.
    static func answer(_ value: JSONText, extra: [(name: String, value: String)] = []) -> Answer {
        guard let content = value["content"] else { return Answer(content: value, extra: extra) }
        return Answer(
            status: value["status_code"], content: content, contentType: value["content_type"]?.string,
            headers: value["headers"], extra: extra)
    }
}
