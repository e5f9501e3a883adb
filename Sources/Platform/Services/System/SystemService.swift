import Core

/// `/api/v2/system`: what admins of a tenant make and change.
struct SystemService: BuiltInService {
    /// What is below it.
    static let resources = [
        "admin", "app", "environment", "event", "event_script", "script_type", "service", "service_type",
    ]

    let platform: Platform

    func answer(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        let segments = request.resource.split(separator: "/").map(String.init)
        let rest = Array(segments.dropFirst())
        switch segments.first {
        case nil:
            try request.allow(.get)
            return .json(try RecordQuery(request).list(Self.resources.map { [("name", .string($0))] }))
        case "script_type": return try ScriptTypes(platform: platform).answer(request, rest)
        case "service":
            let kind = ServiceRecords(platform: platform, caller: caller)
            return try await RecordResource(kind: kind).answer(request, rest)
        case "service_type": return try ServiceTypes(platform: platform).answer(request, rest)
        case "event" where rest.isEmpty: return try EventListing(platform: platform).answer(request, caller)
        case "event_script": return try await EventScriptRecords(platform: platform).answer(request, rest, caller)
        case "app": return try await AppRecords(platform: platform).answer(request, rest, caller)
        case "environment" where rest.isEmpty:
            return try Environment(platform: platform).answer(request)
        case "admin" where rest == ["session"]:
            return try await SessionResource(platform: platform, adminsOnly: true).answer(request, caller)
        default:
            throw ServiceError.notFound("Resource '\(request.resource)' not found for service 'system'.")
        }
    }
}

extension ServiceRequest {
    /// - Throws: ``ServiceError`` 405 for a verb that is not among these.
    func allow(_ verbs: Verb...) throws(ServiceError) {
        guard !verbs.contains(verb) else { return }
        throw .notAllowed(verb.rawValue, on: "\(service)/\(resource)", allowed: verbs)
    }
}
