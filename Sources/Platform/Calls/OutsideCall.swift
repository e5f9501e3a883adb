import Core
import Outbound

/// A `platform.api` call that leaves the installation (contract.md §8, `egress`; §10).
///
/// It carries nothing of the caller: what goes out is what the script wrote, and the trace.
struct OutsideCall {
    let url: WebURL
    private let http: HTTPCall
    private let redirects: Int

    /// The longest a call may take, where the script has more time.
    private static let longest = Duration.seconds(300)

    /// - Throws: ``ServiceError`` 400 for what can not be sent as it is.
    init(_ asked: APICall, to url: WebURL, by call: ScriptCall, _ language: ScriptLanguage) throws(ServiceError) {
        let options = try CurlOptions(asked.options)
        var url = url
        let parameters = asked.parameters.map { "\(Query.encode($0.name))=\(Query.encode($0.value))" }
        if !parameters.isEmpty {
            url.query = ((url.query.map { [$0] } ?? []) + parameters).joined(separator: "&")
        }
        guard (url.query?.utf8.count ?? 0) <= CallBounds.queryBytes else {
            throw .badRequest("The query of a call has \(CallBounds.queryBytes) bytes at most.")
        }
        self.url = url
        var headers = options.headers + asked.headers.map { (name: $0.name.lowercased(), value: $0.value) }
        headers.removeAll { Self.ours.contains($0.name) }
        func addUnlessGiven(_ name: String, _ value: @autoclosure () -> String?) {
            if !headers.contains(where: { $0.name == name }), let value = value() {
                headers.append((name: name, value: value))
            }
        }
        addUnlessGiven("content-type", asked.contentType)
        addUnlessGiven("authorization", url.user.map { CurlOptions.basic($0, url.password ?? "").value })
        addUnlessGiven("user-agent", "Scriptorium/\(PlatformSettings.version)")
        addUnlessGiven("traceparent", call.caller.trace.traceparent)
        try CallBounds.check(headers)
        var http = HTTPCall(
            method: (options.method ?? asked.verb).uppercased(), url: url.text, headers: headers, body: asked.body,
            // Past the deadline it is the script that is stopped, and says so; its calls are cancelled with it.
            timeout: min(
                options.timeout ?? Self.longest, ContinuousClock.now.duration(to: call.deadline) + .seconds(1)),
            replyLimit: call.limits.responseBytes)
        http.connection = options.connection
        http.decoding = options.decoding
        http.allowance = call.budget.outsideBytes
        self.http = http
        redirects = options.followsRedirects ?? language.isLikeCurl ? options.mostRedirects : 0
    }

    /// What would change how the request is sent, or whom it is meant for; libcurl writes them.
    private static let ours: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade",
    ]

    /// Makes the call.
    /// - Throws: ``ServiceError`` for a call that has no answer.
    func answer(_ client: GuardedClient, under rules: EgressRules, publicURL: String?) async throws(ServiceError)
        -> ServiceResponse
    {
        do throws(GuardedClient.Failure) {
            let (reply, _) = try await client.send(
                http, to: url, under: rules, redirects: redirects,
                mayFollow: { InternalPath.inside($0, publicURL) == nil })
            return ServiceResponse(status: reply.status, headers: kept(reply.headers), body: reply.body)
        } catch {
            throw Self.shown(error, limit: http.replyLimit)
        }
    }

    /// The headers but for those that say how the body came over the wire, and no longer fit.
    private func kept(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
        let isDecoded = http.decoding != nil
        return headers.filter { header in
            switch header.name.lowercased() {
            case "transfer-encoding", "connection", "keep-alive": false
            case "content-encoding", "content-length": !isDecoded
            default: true
            }
        }
    }

    /// What a script gets for a call without an answer. The place is named without names, passwords, path and query.
    private static func shown(_ failure: GuardedClient.Failure, limit: Int) -> ServiceError {
        let place = failure.url.origin.prefix(300)
        let why = failure.error.message
        switch failure.error.code {
        case .refused:
            return ServiceError(
                403, "platform.api may not call \(place): \(why) (egress)", context: [("limit", .string("egress"))])
        case .invalid: return .badRequest("platform.api can not send this call. \(why)")
        case .timedOut: return ServiceError(504, "platform.api had no answer in time from \(place).")
        case .tooLarge:
            return ServiceError(
                502, "The answer from \(place) has more than \(limit) bytes (response_bytes), or too many headers.",
                context: [("limit", .string("response_bytes"))])
        case .couldNotConnect: return ServiceError(502, "platform.api could not reach \(place): \(why)")
        case .cancelled: return ServiceError(503, "The call of \(place) was cancelled.")
        default: return ServiceError(502, "The call of \(place) failed: \(why)")
        }
    }
}

extension ScriptLanguage {
    /// Whether calls that leave the installation behave as cURL does in the reference: redirects are followed, and a status
    /// of 300 or more gives an error object instead of the body (dreamfactory.md §4).
    var isLikeCurl: Bool { self == .php || self == .v8js }
}

extension ServiceResponse {
    /// The reference's error object for an outside answer: its message is the answer's body.
    var asCurlError: ServiceResponse {
        let body = JSONText.object([
            (
                "error",
                .object([
                    ("code", .integer(status)), ("context", .null),
                    ("message", .string(String(decoding: self.body, as: UTF8.self))),
                    ("status_code", .integer(status)),
                ])
            )
        ])
        let kept = headers.filter {
            !["content-type", "content-length", "content-encoding"].contains($0.name.lowercased())
        }
        return .json(body, status: status, headers: kept)
    }
}

extension ServiceError {
    /// An absolute URL that nothing is sent to.
    static let notWeb = ServiceError.badRequest(
        "platform.api calls http: and https: URLs with a host in ASCII (xn--… for others), and paths of your own services,"
            + " such as 'service/resource'.")
}
