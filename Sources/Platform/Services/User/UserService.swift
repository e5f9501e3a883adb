import Core

/// `/api/v2/user`: what people do with their own accounts.
struct UserService: BuiltInService {
    let platform: Platform

    func answer(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        switch request.resource {
        case "session": return try await SessionResource(platform: platform, adminsOnly: false).answer(request, caller)
        case "":
            try request.allow(.get)
            return .json(.object([("resource", .array([.object([("name", .string("session"))])]))]))
        default: throw ServiceError.notFound("Resource '\(request.resource)' not found for service 'user'.")
        }
    }
}
