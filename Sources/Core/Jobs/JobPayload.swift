/// What a job carries from its caller to its script: the request and the session. It is sealed at rest as a whole.
public struct JobPayload: Sendable {
    public var request: ServiceRequest
    public var session: Session
    /// The id of the HTTP request that made the job.
    public var requestID: String
    /// The trace that the job belongs to.
    public var trace: TraceContext
    /// The scripts that run around the service, in their order.
    public var events: [EventScript]
    /// The event that the job runs the script of, instead of calling a service.
    public var queuedEvent: QueuedEvent?

    public init(
        request: ServiceRequest, session: Session, requestID: String, trace: TraceContext, events: [EventScript] = [],
        queuedEvent: QueuedEvent? = nil
    ) {
        self.request = request
        self.session = session
        self.requestID = requestID
        self.trace = trace
        self.events = events
        self.queuedEvent = queuedEvent
    }

    /// The form that is sealed: the length of a JSON head (u32, little-endian), the head, and the body as it came.
    public var bytes: [UInt8] {
        let head = JSONText.object([
            ("method", .string(request.verb.rawValue)),
            ("service", .string(request.service)),
            ("resource", .string(request.resource)),
            ("query", .string(request.query)),
            ("headers", headerJSON(request.headers)),
            ("session", session.json),
            ("request_id", .string(requestID)),
            ("traceparent", .string(trace.traceparent)),
            ("tracestate", .string(trace.state)),
            ("events", .array(events.map(\.json))),
            ("queued_event", queuedEvent?.json ?? .null),
        ])
        return frame(head, request.body)
    }

    /// Reads ``bytes``; nil where they are damaged.
    public init?(bytes: [UInt8], tenant: TenantID) {
        guard let (head, body) = unframe(bytes), let verb = head["method"]?.string.flatMap(Verb.init(rawValue:)),
            let service = head["service"]?.string, let session = head["session"]
        else { return nil }
        self.init(
            request: ServiceRequest(
                verb: verb, service: service, resource: head["resource"]?.string ?? "",
                query: head["query"]?.string ?? "", headers: headers(head["headers"]), body: body),
            session: Session(tenant: tenant, json: session),
            requestID: head["request_id"]?.string ?? "",
            // Jobs of before have none.
            trace: head["traceparent"]?.string.flatMap {
                TraceContext(traceparent: $0, tracestate: head["tracestate"]?.string)
            } ?? .fresh(),
            events: (head["events"]?.elements ?? []).compactMap(EventScript.init(json:)),
            queuedEvent: head["queued_event"].flatMap(QueuedEvent.init(json:)))
    }
}

/// What a finished job left: the response as it is sent, and the error where it failed. It is sealed at rest as a whole.
public struct JobOutcome: Sendable {
    public var response: ServiceResponse
    /// Null, or `{"message","code","status_code","limit","line","trace"}`.
    public var error: JSONText

    public init(response: ServiceResponse, error: JSONText = .null) {
        self.response = response
        self.error = error
    }

    /// A job's `error` (contract.md §5).
    /// - Parameters:
    ///   - limit: the quota that fired.
    ///   - line: the author's own.
    ///   - trace: frames of the script itself, innermost first.
    public static func error(
        _ error: ServiceError, limit: String? = nil, line: Int? = nil, trace: [String] = []
    ) -> JSONText {
        .object([
            ("message", .string(error.message)),
            ("code", .integer(error.code)),
            ("status_code", .integer(error.status)),
            ("limit", .string(limit)),
            ("line", .integer(line)),
            ("trace", .array(trace.map(JSONText.string))),
        ])
    }

    /// The form that is sealed, like ``JobPayload/bytes``.
    public var bytes: [UInt8] {
        let head = JSONText.object([
            ("status", .integer(response.status)), ("headers", headerJSON(response.headers)), ("error", error),
        ])
        return frame(head, response.body)
    }

    /// Reads ``bytes``; nil where they are damaged.
    public init?(bytes: [UInt8]) {
        guard let (head, body) = unframe(bytes), let status = head["status"]?.integer else { return nil }
        self.init(
            response: ServiceResponse(status: status, headers: headers(head["headers"]), body: body),
            error: head["error"] ?? .null)
    }
}

private func frame(_ head: JSONText, _ body: [UInt8]) -> [UInt8] {
    let head = Array(head.text.utf8)
    var out: [UInt8] = []
    out.reserveCapacity(4 + head.count + body.count)
    for shift in [0, 8, 16, 24] { out.append(UInt8(truncatingIfNeeded: head.count >> shift)) }
    out += head
    out += body
    return out
}

private func unframe(_ bytes: [UInt8]) -> (JSONText, [UInt8])? {
    guard bytes.count >= 4 else { return nil }
    let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    guard length <= bytes.count - 4 else { return nil }
    let head = JSONText(trusted: String(decoding: bytes[4..<(4 + length)], as: UTF8.self))
    return (head, Array(bytes[(4 + length)...]))
}

private func headerJSON(_ headers: [(name: String, value: String)]) -> JSONText {
    .array(headers.map { .array([.string($0.name), .string($0.value)]) })
}

private func headers(_ json: JSONText?) -> [(name: String, value: String)] {
    (json?.elements ?? []).compactMap { pair in
        let parts = pair.elements
        guard parts.count == 2, let name = parts[0].string, let value = parts[1].string else { return nil }
        return (name, value)
    }
}
