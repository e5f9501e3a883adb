import Catalog
import Core
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Platform

/// The HTTP edge: from a request's bytes to the platform and back.
struct HTTPEdge: HTTPResponder {
    typealias Context = EdgeContext

    let platform: Platform
    let limiter: RateLimiter
    let options: IngressOptions
    /// Nil where the process can serve; else why it can not.
    let unreadiness: @Sendable () async -> String?
    /// What was counted so far, in Prometheus' text form.
    let metrics: @Sendable () -> String
    let logger: Logger

    func respond(to request: Request, context: EdgeContext) async throws -> Response {
        let started = ContinuousClock.now
        let route = EdgeMetrics.Route(path: request.head.path ?? "")
        let origin = Origin(
            requestID: RequestID.taken(from: request.headers) ?? RequestID.fresh(),
            trace: Self.trace(of: request.headers))
        var beginning: Beginning?
        var answer: ServiceResponse
        do {
            let begun = try await apart { await begin(request, origin, context) }
            beginning = begun
            switch try begun.course.get() {
            case .answered(let given): answer = given
            case .accepted(let order): answer = try await Acceptance(platform: platform).answer(order)
            }
        } catch {
            answer = shown(error, to: request, origin)
        }
        return response(answer, beginning?.standing, to: request, route, origin, since: started)
    }

    @inline(never)
    private func shown(_ error: any Error, to request: Request, _ origin: Origin) -> ServiceResponse {
        let error = describe(error, origin)
        QuotaMetrics.count(error)
        return Self.shown(error, origin.requestID, accept: Self.accept(of: request))
    }

    @inline(never)
    private func response(
        _ answer: ServiceResponse, _ standing: RateStanding?, to request: Request, _ route: EdgeMetrics.Route,
        _ origin: Origin, since started: ContinuousClock.Instant
    ) -> Response {
        var answer = answer
        if let standing { Self.tell(standing, in: &answer) }
        answer.headers.append((name: "X-Request-Id", value: origin.requestID))
        let duration = started.duration(to: .now)
        EdgeMetrics.answered(route, status: answer.status, after: duration)
        if logger.logLevel <= .debug { note(answer, to: request, route, origin, after: duration) }
        let response = Self.response(answer)
        // What answers HEAD has no body, or the next answer on the connection would be read as one.
        return request.method == .head ? response.createHeadResponse() : response
    }

    /// An error as the caller may see it; what they may not is in the log.
    private func describe(_ error: any Error, _ origin: Origin) -> ServiceError {
        guard let fault = error as? ClientFault else {
            return ServiceError(describing: error, origin.marking(logger), requestID: origin.requestID)
        }
        origin.marking(logger).debug("request not readable", metadata: ["reason": "\(fault.answer.message)"])
        return fault.answer
    }

    private func note(
        _ answer: ServiceResponse, to request: Request, _ route: EdgeMetrics.Route, _ origin: Origin,
        after duration: Duration
    ) {
        var facts: Logger.Metadata = [
            "method": "\(request.method)", "route": "\(route.rawValue)", "status": "\(answer.status)",
            "duration_ms": "\(duration.milliseconds)",
        ]
        if let job = answer.headers.first(where: { $0.name == "X-Scriptorium-Job" }) {
            facts["job_id"] = "\(job.value)"
        }
        origin.marking(logger).debug("answered", metadata: facts)
    }

    /// What goes with a request into everything that it sets off.
    struct Origin {
        let requestID: String
        let trace: TraceContext

        /// A logger whose lines say which request they are about.
        func marking(_ logger: Logger) -> Logger {
            var logger = logger
            logger[metadataKey: "request_id"] = "\(requestID)"
            logger[metadataKey: "trace_id"] = "\(trace.traceID)"
            return logger
        }
    }

    /// The caller's trace where it has named a valid one, and only one; else a fresh one.
    private static func trace(of headers: HTTPFields) -> TraceContext {
        guard let parent = HTTPField.Name("traceparent"), let state = HTTPField.Name("tracestate"),
            let given = headers[values: parent].first, headers[values: parent].count == 1,
            let trace = TraceContext(traceparent: given, tracestate: headers[state])
        else { return .fresh() }
        return trace
    }

    /// A request that could not be read far enough to be answered by ``respond(to:context:)``.
    static func refusal(_ error: ServiceError) -> ServiceResponse {
        let requestID = RequestID.fresh()
        var answer = shown(error, requestID, accept: nil)
        EdgeMetrics.answered(.unreadable, status: error.status)
        answer.headers.append((name: "X-Request-Id", value: requestID))
        return answer
    }

    /// An error in the shape that the caller prefers, with the id that the log has too.
    private static func shown(_ error: ServiceError, _ requestID: String, accept: String?) -> ServiceResponse {
        var error = error
        error.context.removeAll { $0.0 == "request_id" }
        error.context.insert(("request_id", .string(requestID)), at: 0)
        return ErrorRendering.response(error, accept: accept)
    }

    /// What a request comes to.
    private enum Course: Sendable {
        case answered(ServiceResponse)
        /// A job is to be written, and perhaps waited for.
        case accepted(Acceptance.Order)
    }

    /// All that is done before a caller may have to wait for a job.
    private final class Beginning: Sendable {
        let course: Result<Course, any Error>
        /// Known as soon as the tenant is, and told with whatever the answer becomes.
        let standing: RateStanding?

        init(_ course: Result<Course, any Error>, _ standing: RateStanding?) {
            self.course = course
            self.standing = standing
        }
    }

    /// Finds out who calls and what it comes to.
    private func begin(_ request: Request, _ origin: Origin, _ context: EdgeContext) async -> Beginning {
        var standing: RateStanding?
        do {
            return Beginning(.success(try await course(of: request, origin, context, &standing)), standing)
        } catch {
            return Beginning(.failure(error), standing)
        }
    }

    private func course(
        of request: Request, _ origin: Origin, _ context: EdgeContext, _ standing: inout RateStanding?
    ) async throws -> Course {
        try checkSizes(request)
        let (path, query) = Self.split(request.head.path ?? "/")
        if options.planes.contains(.api), let inner = Self.inside(path) {
            return try await invoke(request, inner, query, origin, context, &standing)
        }
        if options.planes.contains(.administration), path.hasPrefix("/operator/") {
            return .answered(
                try await operate(
                    request, String(path.dropFirst("/operator/".count)), query, origin.requestID, context))
        }
        switch path {
        case "/metrics" where options.planes.contains(.administration):
            try checkOperator(request)
            guard request.method == .get || request.method == .head else {
                throw ServiceError.notAllowed(request.method.rawValue, on: path, allowed: [.get])
            }
            return .answered(await exposition())
        case "/health/live": return .answered(.json(.object([("status", .string("live"))])))
        case "/health/ready": return .answered(await readiness())
        default:
            throw ServiceError.notFound(
                "Nothing answers at '\(path.prefix(200))'."
                    + (options.planes.contains(.api)
                        ? " Services are called at /api/v2/{service}."
                        : " This port has /operator/tenants, /metrics and /health."))
        }
    }

    /// The path behind `/api/v2`, or behind `/api`; nil for another one.
    private static func inside(_ path: String) -> String? {
        for prefix in ["/api/v2", "/api"] where path == prefix || path.hasPrefix(prefix + "/") {
            return String(path.dropFirst(prefix.count))
        }
        return nil
    }

    /// `/api/v2/{service}[/{resource}]`
    private func invoke(
        _ request: Request, _ path: String, _ query: String, _ origin: Origin, _ context: EdgeContext,
        _ standing: inout RateStanding?
    ) async throws -> Course {
        var call = try serviceRequest(request, path, query)
        guard !call.service.isEmpty else {
            throw ServiceError.badRequest("Name a service: /api/v2/{service}[/{resource}].")
        }
        let (caller, target) = try await admit(&call, request, origin, context, &standing)
        switch target {
        case .builtIn:
            // It was authorised as what it is, and is answered as a GET whose body stays here (RFC 9110 §9.3.2).
            if call.verb == .head { call.verb = .get }
            // Where scripts take part, a worker answers.
            guard Preferences.wantJob(call) || !platform.events(of: call, caller).isEmpty else {
                return .answered(try await respond(to: call, caller))
            }
            return .accepted(try Acceptance.Order(platform, call, nil, caller))
        case .script(let service):
            return .accepted(try Acceptance.Order(platform, call, service, caller))
        }
    }

    /// The answer of a service of the platform's own.
    @inline(never)
    private func respond(to call: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        BuiltInRendering.response(
            try await platform.respond(to: call, caller), to: call, limit: caller.tenant.quotas.responseBytes)
    }

    /// Who calls, and who answers. The body is read only for those who may call, but for credentials that are in it.
    @inline(never)
    private func admit(
        _ call: inout ServiceRequest, _ request: Request, _ origin: Origin, _ context: EdgeContext,
        _ standing: inout RateStanding?
    ) async throws -> (Caller, Platform.Target) {
        let given = Credentials(call)
        let known: (caller: Caller, target: Platform.Target)
        do {
            known = try await recognise(call, given, origin, &standing)
        } catch let refusal as ServiceError {
            return try await admitByBody(&call, given, request, origin, context, &standing, or: refusal)
        }
        try AbsentFeatures.check(call)
        call.body = try await body(of: request, limit: known.caller.tenant.quotas.maxBodyBytes, context)
        try checkBody(call)
        let completed = given.completed(by: call)
        guard completed != given else { return known }
        return try await recognise(call, completed, origin, &standing, isCounted: true)
    }

    /// As ``admit(_:_:_:_:_:)``, with what the body holds of credentials.
    /// - Parameter refusal: what is said without them, and thrown where there are none.
    @inline(never)
    private func admitByBody(
        _ call: inout ServiceRequest, _ given: Credentials, _ request: Request, _ origin: Origin,
        _ context: EdgeContext, _ standing: inout RateStanding?, or refusal: ServiceError
    ) async throws -> (Caller, Platform.Target) {
        // Nobody is known yet, or not enough of them: what is read for that is small.
        guard [400, 403].contains(refusal.status), given.mayBeCompleted(by: call),
            request.headers[.contentLength].flatMap({ Int($0) }) ?? 0 <= Credentials.largestBody
        else { throw refusal }
        call.body = try await body(of: request, limit: Credentials.largestBody, context)
        let completed = given.completed(by: call)
        guard completed != given else { throw refusal }
        let known = try await recognise(call, completed, origin, &standing)
        try AbsentFeatures.check(call)
        let limit = known.0.tenant.quotas.maxBodyBytes
        guard call.body.count <= limit else { throw ServiceError.tooLargeBody(limit) }
        try checkBody(call)
        return known
    }

    @inline(never)
    private func recognise(
        _ call: ServiceRequest, _ given: Credentials, _ origin: Origin, _ standing: inout RateStanding?,
        isCounted: Bool = false
    ) async throws -> (Caller, Platform.Target) {
        let authenticator = Authenticator(platform: platform, tenantDomain: options.tenantDomain)
        let caller = try await authenticator.caller(
            of: call, with: given, requestID: origin.requestID, trace: origin.trace)
        if !isCounted { try await count(caller, &standing) }
        return (caller, try platform.target(of: call, caller))
    }

    /// `/operator/…`
    @inline(never)
    private func operate(
        _ request: Request, _ path: String, _ query: String, _ requestID: String, _ context: EdgeContext
    ) async throws -> ServiceResponse {
        try checkOperator(request)
        var call = try serviceRequest(request, "/" + path, query)
        call.body = try await body(of: request, limit: 1 << 20, context)
        try checkBody(call)
        return try await OperatorPlane(platform: platform).respond(to: call, requestID: requestID)
    }

    /// - Throws: ``ServiceError`` 404 where the plane is off, 401 without the token.
    private func checkOperator(_ request: Request) throws(ServiceError) {
        guard let expected = options.operatorToken else {
            throw .notFound("The operator plane is off: set OPERATOR_TOKEN to switch it on.")
        }
        // Hashes first: comparing them tells nothing about the token's bytes.
        guard let given = Credentials.bearer(request.headers[.authorization]), sha256(given) == sha256(expected)
        else { throw .unauthorized("Send the operator token as 'Authorization: Bearer TOKEN'.") }
    }

    private func readiness() async -> ServiceResponse {
        if let reason = await unreadiness() {
            return .json(
                .object([("status", .string("not ready")), ("reason", .string(reason))]), status: 503,
                headers: [(name: "Retry-After", value: "2")])
        }
        return .json(.object([("status", .string("ready"))]))
    }
}
