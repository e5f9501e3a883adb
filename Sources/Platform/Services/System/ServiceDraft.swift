import Catalog
import Core

/// Reads what an author saves, and says what is wrong with it.
struct ServiceDraft: Sendable {
    /// The languages that are installed here.
    let languages: [ScriptLanguage]

    /// The largest script, in bytes.
    static let largestContent = 1 << 20

    /// - Parameter old: the service as it is; what the record leaves out stays.
    /// - Throws: ``ServiceError`` 400 that names the field and its rule.
    func draft(from record: JSONText, over old: Services.Draft? = nil) throws(ServiceError) -> Services.Draft {
        let fields = RecordFields(record: record)
        let name = try fields.text("name", longest: 200) ?? old?.name
        guard let name else { throw .badRequest("'name' is missing: a service needs one.") }
        guard TenantService.isValidName(name) else {
            throw .badRequest("'\(name)' is not a valid service name: use \(TenantService.nameRule).")
        }
        guard !TenantService.reservedNames.contains(name.lowercased()) else {
            throw .badRequest("'\(name)' is a name of the platform's own. Choose another one.")
        }
        let language = try language(fields, old)
        let (content, config) = try config(record, old, language)
        return Services.Draft(
            name: name, label: try fields.text("label", longest: 80, over: old?.label ?? name, cleared: name),
            description: try fields.text("description", longest: 255, over: old?.description ?? ""),
            isActive: try fields.bool("is_active", over: old?.isActive ?? true),
            language: language, content: content, config: config,
            doc: record["service_doc_by_service_id"] == nil ? old?.doc : try doc(record))
    }

    private func language(_ fields: RecordFields, _ old: Services.Draft?) throws(ServiceError) -> ScriptLanguage {
        guard !languages.isEmpty else {
            throw ServiceError(
                503,
                "No script language is ready here yet. Try again in a few seconds; 'scriptorium doctor' tells why.",
                retryAfter: 2)
        }
        guard let type = try fields.text("type", longest: 40) else {
            if let old { return old.language }
            throw .badRequest("'type' is missing: use one of \(installed).")
        }
        guard let language = ScriptLanguage(rawValue: type), languages.contains(language) else {
            throw .badRequest("The service type '\(type)' is not available here: use one of \(installed).")
        }
        return language
    }

    private var installed: String {
        languages.map(\.rawValue).joined(separator: ", ")
    }

    /// The script, and the rest of `config` as its author gave it.
    private func config(
        _ record: JSONText, _ old: Services.Draft?, _ language: ScriptLanguage
    ) throws(ServiceError) -> (String, JSONText) {
        let given = record["config"] ?? .null
        guard given.kind == .object || given.isNull else { throw .badRequest("'config' must be an object.") }
        var members = (old?.config ?? .emptyObject).members.map { ($0.key, $0.value) }
        var content = old?.content
        for member in given.members {
            if member.key == "content" {
                guard member.value.kind == .string || member.value.isNull else {
                    throw .badRequest("'config.content' must be the script's source as a text.")
                }
                content = member.value.string ?? ""
                continue
            }
            members.removeAll { $0.0 == member.key }
            members.append(member)
        }
        guard let content else { throw .badRequest("'config.content' is missing: it is the script's source.") }
        guard content.utf8.count <= Self.largestContent else {
            throw .badRequest("'config.content' may have \(Self.largestContent) bytes at most.")
        }
        let config = JSONText.object(members)
        guard config.text.utf8.count <= Self.largestContent else {
            throw .badRequest("'config' may have \(Self.largestContent) bytes at most beside its content.")
        }
        do {
            try ScriptSettings.check(config, language: language)
        } catch {
            throw .badRequest(error.message)
        }
        return (content, config)
    }

    /// The OpenAPI document, kept as it was given.
    private func doc(_ record: JSONText) throws(ServiceError) -> String? {
        guard let doc = record["service_doc_by_service_id"], !doc.isNull else { return nil }
        guard doc.kind == .object || doc.kind == .array else {
            throw .badRequest("'service_doc_by_service_id' must be an object with 'format' and 'content'.")
        }
        guard doc.text.utf8.count <= Self.largestContent else {
            throw .badRequest("'service_doc_by_service_id' may have \(Self.largestContent) bytes at most.")
        }
        return doc.text
    }
}
