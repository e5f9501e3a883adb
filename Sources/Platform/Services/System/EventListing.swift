import Catalog
import Core

/// `system/event`: which events there are to bind scripts to (dreamfactory.md §7.2).
struct EventListing {
    let platform: Platform

    private typealias Service = (name: String, paths: [TenantService.Path])

    func answer(_ request: ServiceRequest, _ caller: Caller) throws(ServiceError) -> ServiceResponse {
        try request.allow(.get)
        func isTrue(_ name: String) -> Bool {
            Query.value(name, in: request.query).map { ["true", "1"].contains($0.lowercased()) } ?? false
        }
        var services = Self.services(caller)
        if let wanted = Query.value("service", in: request.query), !wanted.isEmpty {
            services = services.filter { $0.name == wanted }
            guard !services.isEmpty else {
                throw .notFound("Could not find a service for \(wanted.prefix(64))")
            }
        }
        if isTrue("services_only") {
            return .json(.object([("resource", .array(services.map { .string($0.name) }))]))
        }
        let isScriptable = isTrue("scriptable")
        if isTrue("as_list") {
            var seen: Set<String> = []
            let events = services.flatMap { service in
                service.paths.flatMap { Self.endpoints(of: $0, service.name, isScriptable) }
            }.filter { seen.insert($0).inserted }
            return .json(.object([("resource", .array(events.map { .string($0) }))]))
        }
        return .json(
            .object(
                services.map { service in
                    (
                        service.name,
                        .object(service.paths.map { Self.entry($0, service.name, isScriptable) })
                    )
                }))
    }

    /// The tenant's own by their names, then the platform's.
    private static func services(_ caller: Caller) -> [Service] {
        let own = caller.tenant.services.values.sorted { $0.name < $1.name }.map { service in
            let root = TenantService.Path(template: PathTemplate(""), verbs: Verb.callable)
            return (
                service.name,
                service.paths.contains { $0.template.text.isEmpty } ? service.paths : [root] + service.paths
            )
        }
        return own + BuiltInEvents.paths.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private static func entry(
        _ path: TenantService.Path, _ service: String, _ isScriptable: Bool
    ) -> (String, JSONText) {
        let parameters = path.template.parameters
        return (
            ([service] + path.template.text.split(separator: "/").map(String.init)).joined(separator: "."),
            .object([
                ("type", .string("api")),
                ("endpoints", .array(endpoints(of: path, service, isScriptable).map { .string($0) })),
                (
                    "parameter",
                    parameters.isEmpty ? .null : .object(parameters.map { ($0, JSONText(trusted: "[]")) })
                ),
            ])
        )
    }

    private static func endpoints(
        of path: TenantService.Path, _ service: String, _ isScriptable: Bool
    ) -> [String] {
        let base = ([service] + path.template.text.split(separator: "/").map(String.init)).joined(separator: ".")
        return path.verbs.flatMap { verb in
            let event = "\(base).\(verb.eventPart)"
            return isScriptable
                ? [EventStage.plain, .before, .after, .queued].map { $0.name(of: event) } : [event]
        }
    }
}
