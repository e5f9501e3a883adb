import Catalog
import Core

/// Reads an event script as an author saves it, and says what is wrong with it (dreamfactory.md §7.3).
struct EventScriptDraft: Sendable {
    /// The languages that are installed here.
    let languages: [ScriptLanguage]

    /// - Parameters:
    ///   - name: of the script; it does not change.
    ///   - old: the script as it is; what the record leaves out stays.
    /// - Throws: ``ServiceError`` 400 that names the field and its rule.
    func draft(
        _ name: String, from record: JSONText, over old: EventScripts.Draft?
    ) throws(ServiceError) -> EventScripts.Draft {
        guard EventName(name) != nil else {
            throw .badRequest("'\(name.prefix(100))' is not the name of an event. It is \(EventName.rule).")
        }
        let fields = RecordFields(record: record)
        for linked in ["storage_service_id", "storage_path", "scm_repository", "scm_reference"] {
            guard record[linked].map({ $0.isNull || $0.string == "" }) ?? true else {
                throw .badRequest("'\(linked)' is not available: give the script itself as 'content'.")
            }
        }
        return EventScripts.Draft(
            name: name, isActive: try fields.bool("is_active") ?? old?.isActive ?? false,
            allowsModification: try fields.bool("allow_event_modification") ?? old?.allowsModification ?? false,
            language: try language(fields, old), content: try content(record, old),
            config: try config(record, old))
    }

    private func language(
        _ fields: RecordFields, _ old: EventScripts.Draft?
    ) throws(ServiceError) -> ScriptLanguage {
        guard let type = try fields.text("type", longest: 40) else {
            if let old { return old.language }
            throw .badRequest("'type' is missing: use one of \(installed).")
        }
        guard let language = ScriptLanguage(rawValue: type), languages.contains(language) else {
            throw .badRequest("The script type '\(type)' is not available here: use one of \(installed).")
        }
        return language
    }

    private var installed: String { languages.map(\.rawValue).joined(separator: ", ") }

    private func content(_ record: JSONText, _ old: EventScripts.Draft?) throws(ServiceError) -> String {
        guard let value = record["content"] else { return old?.content ?? "" }
        guard value.isNull || value.kind == .string else {
            throw .badRequest("'content' must be the script's source as a text.")
        }
        let content = value.string ?? ""
        guard content.utf8.count <= ServiceDraft.largestContent else {
            throw .badRequest("'content' may have \(ServiceDraft.largestContent) bytes at most.")
        }
        return content
    }

    /// A text in the reference; an object is kept as its text.
    private func config(_ record: JSONText, _ old: EventScripts.Draft?) throws(ServiceError) -> String? {
        guard let value = record["config"] else { return old?.config }
        let config = value.isNull ? nil : value.string ?? value.text
        guard (config?.utf8.count ?? 0) <= ServiceDraft.largestContent else {
            throw .badRequest("'config' may have \(ServiceDraft.largestContent) bytes at most.")
        }
        return config
    }
}
