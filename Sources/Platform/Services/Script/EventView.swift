import Core

/// The `event` object as a script sees it (dreamfactory.md §3).
struct EventView {
    let call: ScriptCall

    /// For a script service.
    var service: JSONText {
        let request = call.request
        let path = request.resource.isEmpty ? "" : "." + request.resource.replacing("/", with: ".")
        return json(
            [
                ("request", request.eventView),
                ("resource", .string(request.resource)),
                (
                    "response",
                    .object([("content", .null), ("content_type", .null), ("status_code", .integer(200))])
                ),
            ], name: "\(request.service)\(path).\(request.verb.eventPart)", stage: "service",
            script: "service.\(request.service)")
    }

    /// For the script of an event.
    /// - Parameter response: empty before the service.
    func event(
        _ script: EventScript, request: JSONText, resource: JSONText, response: JSONText
    ) -> JSONText {
        let name = EventName(script.name)
        return json(
            [("request", request), ("resource", resource), ("response", response)], name: name?.event ?? script.name,
            stage: script.stage.label, script: script.name)
    }

    private func json(
        _ own: [(String, JSONText)], name: String, stage: String, script: String
    ) -> JSONText {
        let job = call.job
        return .object(
            own + [
                ("name", .string(name)),
                ("stage", .string(stage)),
                ("script_name", .string(script)),
                (
                    "job",
                    .object([
                        ("id", .string(job.id.description)),
                        ("attempt", .integer(job.attempt)),
                        ("max_attempts", .integer(job.maxAttempts)),
                        ("created_at", .string(job.createdAt)),
                        ("deadline", .string(job.deadline)),
                        ("parent_id", .string(job.parent?.description)),
                    ])
                ),
                ("__tag__", .string("exposed_event")),
            ])
    }
}

extension ServiceRequest {
    /// `event.request`
    var eventView: JSONText {
        let content = String(validating: body, as: UTF8.self)
        var names: [String] = []
        var values: [String: [String]] = [:]
        for header in self.headers {
            if values[header.name] == nil { names.append(header.name) }
            values[header.name, default: []].append(header.value)
        }
        // Repetitions are joined (RFC 9110 §5.3).
        let headers = names.map { ($0, JSONText.string(values[$0]?.joined(separator: ",") ?? "")) }
        return .object([
            ("api_version", .string("2.0")),
            ("method", .string(verb.rawValue)),
            ("parameters", Query.parameters(query)),
            ("headers", .object(headers)),
            ("payload", RequestPayload.json(of: self)),
            // What is not text can not be put into JSON: the reference's own marker.
            ("content", .string(content ?? "--non-parsable-data--")),
            ("content_type", .string(header("content-type") ?? "application/json")),
            ("uri", .string(uri)),
            ("service", .string(service)),
            ("resource", .string(resource)),
        ])
    }

    /// The path and query as called, credentials masked.
    private var uri: String {
        let path = resource.isEmpty ? "" : "/" + resource
        let query = CredentialMask.query(query)
        return "/api/v2/\(service)\(path)" + (query.isEmpty ? "" : "?\(query)")
    }
}
