import Core

/// The paths of the platform's own services that scripts can be bound to. `system/event_script` has no events: a script that
/// fails there would keep its own author from mending it.
enum BuiltInEvents {
    static let paths: [String: [TenantService.Path]] = [
        "system": TenantService.paths([
            ("", [.get]),
            ("admin", [.get, .post, .put, .patch, .delete]),
            ("admin/{id}", [.get, .put, .patch, .delete]),
            ("admin/session", [.get, .post, .put, .delete]),
            ("app", [.get, .post, .put, .patch, .delete]),
            ("app/{id}", [.get, .put, .patch, .delete]),
            ("environment", [.get]),
            ("event", [.get]),
            ("lookup", [.get, .post, .put, .patch, .delete]),
            ("lookup/{id}", [.get, .put, .patch, .delete]),
            ("role", [.get, .post, .put, .patch, .delete]),
            ("role/{id}", [.get, .put, .patch, .delete]),
            ("script_type", [.get]),
            ("script_type/{name}", [.get]),
            ("service", [.get, .post, .put, .patch, .delete]),
            ("service/{id}", [.get, .put, .patch, .delete]),
            ("service_type", [.get]),
            ("user", [.get, .post, .put, .patch, .delete]),
            ("user/{id}", [.get, .put, .patch, .delete]),
        ]),
        "user": TenantService.paths([
            ("", [.get]),
            ("session", [.get, .post, .put, .delete]),
        ]),
    ]

    static let templates = paths.mapValues { $0.map(\.template) }

    /// Whether a call of this service can have event scripts.
    static func has(_ request: ServiceRequest) -> Bool {
        templates[request.service] != nil
            && !(request.service == "system" && request.resource.split(separator: "/").first == "event_script")
    }
}
