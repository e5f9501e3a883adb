import Core

/// The `event` object as a script service sees it (dreamfactory.md §3).
enum EventView {
    static func json(of call: ScriptCall) -> JSONText {
        let request = call.request
        let job = call.job
        return .object([
            ("request", self.request(request)),
            ("resource", .string(request.resource)),
            (
                "response",
                .object([("content", .null), ("content_type", .null), ("status_code", .integer(200))])
            ),
            ("name", .string(name(of: request))),
            ("stage", .string("service")),
            ("script_name", .string("service.\(request.service)")),
            (
                "job",
                .object([
                    ("id", .string(job.id.description)),
                    ("attempt", .integer(job.attempt)),
                    ("max_attempts", .integer(job.maxAttempts)),
                    ("created_at", .string(job.createdAt)),
                    ("deadline", .string(job.deadline)),
                    ("parent_id", .null),
                ])
            ),
            ("__tag__", .string("exposed_event")),
        ])
    }

    private static func name(of request: ServiceRequest) -> String {
        let path = request.resource.isEmpty ? "" : "." + request.resource.replacing("/", with: ".")
        return "\(request.service)\(path).\(request.verb.rawValue.lowercased())"
    }

    private static func request(_ request: ServiceRequest) -> JSONText {
        let content = String(validating: request.body, as: UTF8.self)
        var headers: [(String, JSONText)] = []
        for header in request.headers where !headers.contains(where: { $0.0 == header.name }) {
            headers.append((header.name, .string(request.header(header.name))))
        }
        return .object([
            ("api_version", .string("2.0")),
            ("method", .string(request.verb.rawValue)),
            ("parameters", Query.parameters(request.query)),
            ("headers", .object(headers)),
            ("payload", payload(request, content)),
            // What is not text can not be put into JSON: the reference's own marker.
            ("content", .string(content ?? "--non-parsable-data--")),
            ("content_type", .string(request.header("content-type") ?? "application/json")),
            ("uri", .string(uri(request))),
            ("service", .string(request.service)),
            ("resource", .string(request.resource)),
        ])
    }

    /// The body, decoded by its type, or by its looks where it names none. What can not be decoded is null.
    private static func payload(_ request: ServiceRequest, _ content: String?) -> JSONText {
        guard !request.body.isEmpty else { return .emptyObject }
        guard let content else { return .null }
        let type = request.header("content-type")?.prefix { $0 != ";" }.lowercased() ?? ""
        if type.isEmpty || type.hasSuffix("json") {
            return (try? JSONText(checking: content)) ?? .null
        }
        if type.hasPrefix("application/x-www-form-urlencoded") { return Query.parameters(content) }
        if type.hasPrefix("text/plain") { return .string(content) }
        return .null
    }

    /// The path and query as called, credentials masked.
    private static func uri(_ request: ServiceRequest) -> String {
        let path = request.resource.isEmpty ? "" : "/" + request.resource
        let query = CredentialMask.query(request.query)
        return "/api/v2/\(request.service)\(path)" + (query.isEmpty ? "" : "?\(query)")
    }
}
