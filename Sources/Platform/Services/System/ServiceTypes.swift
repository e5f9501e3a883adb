import Core
import Execution

/// `system/service_type`: what kinds of services can be made here, and what their `config` takes (dreamfactory.md §6.1).
struct ServiceTypes {
    let platform: Platform

    func answer(_ request: ServiceRequest, _ path: [String]) throws(ServiceError) -> ServiceResponse {
        try request.allow(.get)
        let types = ScriptLanguage.allCases.filter(platform.executor.languages.contains)
        let query = try RecordQuery(request)
        guard let name = path.first else { return .json(try query.list(types.map(Self.record))) }
        guard path.count == 1, let type = types.first(where: { $0.rawValue == name }) else {
            throw .notFound("Service type '\(path.joined(separator: "/"))' not found.")
        }
        return .json(query.select(Self.record(type)))
    }

    private static func record(_ type: ScriptLanguage) -> RecordQuery.Record {
        [
            ("name", .string(type.rawValue)),
            ("label", .string(type.label)),
            (
                "description",
                .string("Service that allows client-callable scripts utilizing the system scripting.")
            ),
            ("group", .string("Script")),
            ("singleton", .bool(false)),
            ("config_schema", .array(schema.map(\.json))),
        ]
    }

    /// A key of `config`, for whoever draws a form of it.
    private struct Field {
        let name: String
        let label: String
        let type: String
        let description: String
        var isRequired = false
        var initial = JSONText.null

        var json: JSONText {
            .object([
                ("name", .string(name)), ("label", .string(label)), ("type", .string(type)),
                ("description", .string(description)), ("required", .bool(isRequired)),
                ("allow_null", .bool(!isRequired)),
                ("default", initial),
            ])
        }
    }

    private static let schema: [Field] = [
        Field(name: "content", label: "Content", type: "text", description: "The script's source.", isRequired: true),
        Field(
            name: "wall_seconds", label: "Wall seconds", type: "float",
            description: "Ends every attempt that takes longer, below the tenant's own limit."),
        Field(
            name: "max_attempts", label: "Attempts", type: "integer",
            description: "How often an asynchronous job is tried, 1 to 100.", initial: .integer(3)),
        Field(
            name: "retry_on_error", label: "Retry on error", type: "boolean",
            description: "Whether an asynchronous job is tried again when the script fails, too.", initial: .bool(false)
        ),
        Field(
            name: "on_wait_expired", label: "When the wait is over", type: "picklist",
            description: "'detach' answers 202 and the job runs on, 'cancel' answers 504 and ends it.",
            initial: .string("detach")),
        Field(
            name: "implements_access_list", label: "Implements access list", type: "boolean",
            description: "Whether the script itself answers ?as_access_list=true.", initial: .bool(false)),
    ]
}
