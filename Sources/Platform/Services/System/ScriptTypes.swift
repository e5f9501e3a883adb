import Core
import Execution

/// `system/script_type`: the languages that are installed here (dreamfactory.md §1).
struct ScriptTypes {
    let platform: Platform

    func answer(_ request: ServiceRequest, _ path: [String]) throws(ServiceError) -> ServiceResponse {
        try request.allow(.get)
        let types = ScriptLanguage.allCases.filter(platform.executor.languages.contains)
        guard let name = path.first else {
            return .json(try RecordQuery(request).list(types.map(record)))
        }
        guard path.count == 1, let type = types.first(where: { $0.rawValue == name }) else {
            throw .notFound("Script engine type '\(path.joined(separator: "/"))' not found.")
        }
        return .json(try RecordQuery(request).select(record(type)))
    }

    private func record(_ type: ScriptLanguage) -> RecordQuery.Record {
        [
            ("name", .string(type.rawValue)),
            ("label", .string(type.label)),
            ("description", .string(type.summary)),
            ("sandboxed", .bool(platform.tier > .none)),
            ("supports_inline_execution", .bool(false)),
        ]
    }
}
