import Core

/// What a script wants to be answered, before it is rendered as its caller accepts it.
struct Answer: Sendable {
    /// A number, or its text; nil stands for 200.
    var status: JSONText?
    var content: JSONText = .null
    /// As the script set it.
    var contentType: String?
    /// An object, as the script set it.
    var headers: JSONText?
    /// Headers that the script set by itself (PHP's `header()`).
    var extra: [(name: String, value: String)] = []
    /// A text that is the body as it stands, instead of ``content``: PHP's `exit('text')`.
    var rawBody: String?

    /// What a client and what stands between can be expected to take.
    private static let mostHeaders = 100
    private static let mostHeaderBytes = 32 << 10

    /// - Throws: ``ScriptFailure`` where the response is larger than it may be.
    func rendered(for call: ScriptCall) throws(ScriptFailure) -> ServiceResponse {
        let response: ServiceResponse
        if let rawBody {
            response = Rendering.raw(rawBody, status: status, headers: extra)
        } else {
            let rendering = Rendering(
                call.request, isInternal: call.depth > 0, limit: call.limits.responseBytes)
            do throws(ServiceError) {
                response = try rendering.response(
                    content: content, status: status, contentType: contentType, headers: headers, extra: extra)
            } catch {
                // The script has answered all the same: its job has succeeded.
                response = ErrorRendering.response(
                    call.contextualised(error), accept: AcceptedTypes.header(of: call.request))
            }
        }
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
}

extension Answer {
    /// What a script printed before it ended by itself; nil where that is not its answer.
    init?(printedBy result: ScriptResult) {
        guard let body = result.rawBody else { return nil }
        self.init(status: result.rawStatus.map(JSONText.integer), extra: result.headers, rawBody: body)
    }
}
