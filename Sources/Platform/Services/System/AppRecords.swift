import Catalog
import Core

/// `system/app`: API keys and the roles of those who call with them.
struct AppRecords: RecordKind {
    let apps: Apps
    let roles: [Int64: Role]
    let account: Int64?

    let name = "app"
    static let relations: Set<String> = ["role_by_role_id", "lookup_by_app_id"]
    /// The key is in the answer whatever `fields` says: it is never seen again.
    static let shownOnce: Set<String> = ["api_key"]

    func all() async throws -> [RecordQuery.Record] { try await apps.records().map { record($0) } }

    func find(_ id: Int64) async throws -> RecordQuery.Record? {
        try await apps.records(id: id).first.map { record($0) }
    }

    func create(_ records: [JSONText]) async throws -> [RecordQuery.Record] {
        let drafts = try records.enumerated().map { index, record in
            try ServiceError.marking(record: index) { try draft(record, over: Apps.Record(App(name: "", role: nil))) }
        }
        return try await apps.create(drafts, by: account).map { made, key in
            record(made) + [("api_key", .string(key))]
        }
    }

    func change(_ changes: [RecordChange]) async throws -> [RecordQuery.Record] {
        try await apps.update(
            changes.enumerated().map { index, change in
                (
                    change.id,
                    { @Sendable old in
                        try ServiceError.marking(record: index) { try self.draft(change.record, over: old) }
                    }
                )
            }, by: account
        ).map { record($0) }
    }

    func remove(_ ids: [Int64]) async throws { try await apps.delete(ids) }

    private func draft(_ record: JSONText, over old: Apps.Record) throws(ServiceError) -> Apps.Record {
        let fields = RecordFields(record: record)
        var draft = old
        draft.app.name = try fields.required("name", longest: 64, over: old.app.name, of: "an app")
        draft.app.description = try fields.text("description", longest: 255, over: old.app.description)
        draft.app.isActive = try fields.bool("is_active", over: old.app.isActive)
        draft.app.role = try fields.integer("role_id", over: old.app.role)
        let type = try fields.integer("type", over: Int64(old.type)) ?? 0
        guard (0...3).contains(type) else {
            throw .badRequest("'type' must be 0 (no pages), 1 (a file service), 2 (a URL) or 3 (a path).")
        }
        draft.type = Int32(type)
        draft.path = try fields.text("path", longest: 255, over: old.path)
        draft.url = try fields.text("url", longest: 255, over: old.url)
        draft.storageService = try fields.integer("storage_service_id", over: old.storageService)
        draft.storageContainer = try fields.text("storage_container", longest: 255, over: old.storageContainer)
        draft.lookups = try LookupDraft.rows(record, of: "app", over: old.lookups)
        return draft
    }

    private func record(_ record: Apps.Record) -> RecordQuery.Record {
        let app = record.app
        var members: RecordQuery.Record =
            [
                ("id", .integer(app.id)),
                ("name", .string(app.name)),
                ("description", .string(app.description)),
                ("is_active", .bool(app.isActive)),
                ("type", .integer(record.type)),
                ("path", .string(record.path)),
                ("url", .string(record.url)),
                ("storage_service_id", .integer(record.storageService)),
                ("storage_container", .string(record.storageContainer)),
                ("role_id", .integer(app.role)),
            ] + record.stamp.members
        let role = app.role.flatMap { roles[$0] }
        let shown = role.map { JSONText.object([("id", .integer($0.id)), ("name", .string($0.name))]) }
        members.append(("role_by_role_id", shown ?? .null))
        members.append(("lookup_by_app_id", LookupDraft.relation(record.lookups, of: "app", app.id)))
        return members
    }
}
