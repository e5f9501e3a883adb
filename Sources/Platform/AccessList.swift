import Catalog
import Core

/// `GET /api/v2/{service}?as_access_list=true`: the components that a role can name (dreamfactory.md §6.2), for a script
/// those of its OpenAPI document. No script runs for it.
struct AccessList {
    let platform: Platform
    let caller: Caller

    /// Whether the platform is to answer, rather than a script that does it itself.
    /// - Parameter service: nil for one of the platform's own.
    static func isAsked(_ request: ServiceRequest, of service: TenantService?) -> Bool {
        guard request.verb == .get, request.resource.isEmpty, request.query.contains("as_access_list"),
            RecordOptions(request).isTrue("as_access_list")
        else { return false }
        return service?.config["implements_access_list"]?.bool != true
    }

    func answer(_ request: ServiceRequest) -> ServiceResponse {
        let names = components(of: request.service)
        return .json(.object([("resource", .array((["", "*"] + names).map { .string($0) }))]))
    }

    private func components(of service: String) -> [String] {
        switch service {
        case "system": return SystemService.resources.flatMap { [$0, "\($0)/*"] }
        case "user": return ["session"]
        case "jobs": return []
        default: return Self.names(caller.tenant.services[service]?.paths.map(\.template.text) ?? [])
        }
    }

    /// `add/{id}` as it is and, because a role names components with a star, as `add/*`.
    private static func names(_ paths: [String]) -> [String] {
        var names: [String] = []
        var seen: Set<String> = []
        for path in paths where !path.isEmpty {
            let stars = path.firstIndex(of: "{").map { String(path[..<$0]) + "*" }
            for name in [path, stars].compactMap({ $0 }) where seen.insert(name).inserted { names.append(name) }
        }
        return names
    }
}
