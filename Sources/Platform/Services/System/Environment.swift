import Core
import Execution

/// `system/environment`: what an admin may know of the installation.
struct Environment {
    let platform: Platform

    func answer(_ request: ServiceRequest) throws(ServiceError) -> ServiceResponse {
        try request.allow(.get)
        return .json(
            .object([
                (
                    "platform",
                    .object([
                        ("version_current", .string(PlatformSettings.version)),
                        ("version", .string(PlatformSettings.version)),
                        ("is_hosted", .bool(false)),
                        ("host", .string(platform.settings.publicURL)),
                    ])
                ),
                ("server", .object([("server_os", .string("linux"))])),
                (
                    "scripting",
                    .object([
                        ("languages", .array(platform.executor.languages.map { .string($0.rawValue) }))
                    ])
                ),
                ("authentication", .object([("login_attribute", .string("email"))])),
            ]))
    }
}
