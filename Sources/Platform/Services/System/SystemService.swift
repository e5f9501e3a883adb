import Catalog
import Core

/// `/api/v2/system`: what admins of a tenant make and change.
struct SystemService: BuiltInService {
    /// What is below it.
    static let resources = [
        "admin", "app", "environment", "event", "event_script", "lookup", "role", "script_type", "service",
        "service_type",
        "user",
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
        case "service_type": return try ServiceTypes(platform: platform).answer(request, rest)
        case "event" where rest.isEmpty: return try EventListing(platform: platform).answer(request, caller)
        case "event_script": return try await EventScriptRecords(platform: platform).answer(request, rest, caller)
        case "environment" where rest.isEmpty:
            return try Environment(platform: platform).answer(request)
        case "admin" where rest == ["session"]:
            return try await SessionResource(platform: platform, adminsOnly: true).answer(request, caller)
        case let name?:
            guard let kind = records(name, caller) else {
                throw ServiceError.notFound("Resource '\(request.resource)' not found for service 'system'.")
            }
            return try await Self.answer(request, rest, kind)
        }
    }

    /// Opens the kind: what has to do with records is the same for all.
    private static func answer(
        _ request: ServiceRequest, _ path: [String], _ kind: some RecordKind
    ) async throws -> ServiceResponse {
        try await RecordResource(kind: kind).answer(request, path)
    }

    private func records(_ kind: String, _ caller: Caller) -> (any RecordKind)? {
        let catalog = platform.catalog
        let tenant = caller.tenant
        let account = caller.session.user?.id
        return switch kind {
        case "service": ServiceRecords(platform: platform, caller: caller)
        case "app": AppRecords(apps: catalog.apps(tenant.id), roles: tenant.roles, account: account)
        case "role": RoleRecords(roles: catalog.roles(tenant.id), services: tenant.services, account: account)
        case "user": AccountRecords(accounts: catalog.accounts(tenant.id), isAdmin: false, account: account)
        case "admin": AccountRecords(accounts: catalog.accounts(tenant.id), isAdmin: true, account: account)
        case "lookup": LookupRecords(lookups: catalog.lookups(tenant.id), account: account)
        default: nil
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
