import Core
import Execution

/// From what a script did to its answer (dreamfactory.md §2.1): exception before return before `event.response`.
struct ResultReading {
    let call: ScriptCall
    let name: String

    func outcome(of report: AttemptReport) -> ScriptOutcome {
        var outcome = ScriptOutcome(
            status: .succeeded, outcome: JobOutcome(response: ServiceResponse()), cpu: report.cpu,
            peakMemoryBytes: report.peakMemoryBytes, isLost: false)
        do throws(ScriptFailure) {
            outcome.outcome.response = try response(to: report.ending)
        } catch {
            outcome.status = error.status
            outcome.isLost = error.isLost
            outcome.outcome = JobOutcome(
                response: ErrorRendering.response(
                    contextualised(error.shown), accept: call.request.header("accept")),
                error: error.json)
        }
        return outcome
    }

    private func contextualised(_ error: ServiceError) -> ServiceError {
        var error = error
        error.context = facts + error.context
        return error
    }

    /// What every error of a job says of itself.
    private var facts: [(String, JSONText)] {
        [
            ("request_id", .string(call.caller.requestID)),
            ("job_id", .string(call.job.id.description)),
        ]
    }

    private func response(to ending: AttemptReport.Ending) throws(ScriptFailure) -> ServiceResponse {
        switch ending {
        case .result(let result): return try response(to: result)
        // Without a result there is none: the event as it was, an empty answer.
        case .exited(code: 0, _): return try rendered(content: .null)
        case .exited(let code, let line): throw .exit(code, line)
        // A shell reports a signal as 128 and its number, and DreamFactory reports what the shell says.
        case .crashed(let signal, let line): throw .exit(128 + signal, line)
        case .limit(let hit) where hit.key == "wall_seconds":
            // What the author or the operator has set, not what was left of it.
            throw .limit(LimitHit(key: call.limits.wallKey, value: "\(JSONText.number(call.limits.wall.seconds)) s"))
        case .limit(let hit): throw .limit(hit)
        case .violation(let why): throw .violation(why)
        case .cancelled: throw .cancelled
        case .lost(let why): throw .lost(why)
        }
    }

    private func response(to result: ScriptResult) throws(ScriptFailure) -> ServiceResponse {
        if let error = result.error { throw .script(error) }
        if let exception = result.exception, !isEmpty(exception) { throw .exception(exception) }
        if let body = result.rawBody {
            return try bounded(Rendering.raw(body, headers: result.headers))
        }
        if let returned = result.returned, !isEmpty(returned) {
            if let error = returned["error"], !error.isNull { throw .returned(error) }
            // A result with a key `response` stands for it.
            return try formatted(returned["response"] ?? returned, extra: result.headers)
        }
        if let response = result.response {
            // A response that is null counts as one that was never touched.
            return try response.isNull ? rendered(content: .null) : formatted(response, extra: result.headers)
        }
        return try formatted(result.event ?? .null, extra: result.headers)
    }

    /// An object with `content` is a response; all else is the content.
    private func formatted(
        _ value: JSONText, extra: [(name: String, value: String)]
    ) throws(ScriptFailure) -> ServiceResponse {
        guard let content = value["content"] else { return try rendered(content: value, extra: extra) }
        return try rendered(
            content: content, status: value["status_code"], contentType: value["content_type"]?.string,
            headers: value["headers"], extra: extra)
    }

    private func rendered(
        content: JSONText, status: JSONText? = nil, contentType: String? = nil, headers: JSONText? = nil,
        extra: [(name: String, value: String)] = []
    ) throws(ScriptFailure) -> ServiceResponse {
        let rendering = Rendering(accept: call.request.header("accept"))
        return try bounded(
            rendering.response(
                content: content, status: status, contentType: contentType, headers: headers, extra: extra))
    }

    /// What a client and what stands between can be expected to take.
    private static let mostHeaders = 100
    private static let mostHeaderBytes = 32 << 10

    private func bounded(_ response: ServiceResponse) throws(ScriptFailure) -> ServiceResponse {
        guard response.body.count <= call.limits.responseBytes else {
            throw .limit(LimitHit(key: "response_bytes", value: "\(call.limits.responseBytes) bytes"))
        }
        let bytes = response.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        guard response.headers.count <= Self.mostHeaders, bytes <= Self.mostHeaderBytes else {
            let most = "\(Self.mostHeaders) with \(Self.mostHeaderBytes >> 10) KiB together"
            let message =
                "The response has \(response.headers.count) headers with \(bytes) bytes: at most \(most) are sent"
            throw .script(ScriptError(kind: .result, message: message))
        }
        return response
    }

    /// Empty in PHP's sense: null, false, 0, "", "0", [] and {} (dreamfactory.md §2.1).
    private func isEmpty(_ value: JSONText) -> Bool {
        switch value.kind {
        case .null: true
        case .bool: value.text == "false"
        case .number: value.double == 0
        case .string: value.text == "\"\"" || value.text == "\"0\""
        case .array: value.elements.isEmpty
        case .object: value.members.isEmpty
        }
    }
}
