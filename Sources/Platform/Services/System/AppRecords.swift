import Catalog
import Core

/// `system/app`: API keys and the roles of those who call with them.
struct AppRecords: Sendable {
    let platform: Platform

    func answer(_ request: ServiceRequest, _ path: [String], _ caller: Caller) async throws -> ServiceResponse {
        guard path.count <= 1 else {
            throw ServiceError.notFound("Resource '\(request.resource)' not found for service 'system'.")
        }
        try request.allow(.get, .post, .put, .patch, .delete)
        let apps = platform.catalog.apps(caller.tenant.id)
        let query = try RecordQuery(request)
        switch (request.verb, path.first) {
        case (.get, nil):
            return .json(try query.list(caller.tenant.apps.values.sorted { $0.id < $1.id }.map(Self.record)))
        case (.get, let id?): return .json(query.select(Self.record(try find(id, caller))))
        case (.post, nil): return try await create(RecordBody(request).records, apps, query, request)
        case (.post, _?):
            throw ServiceError.notAllowed(
                "POST", on: "system/\(request.resource)", allowed: [.get, .put, .patch, .delete])
        case (.delete, let id):
            let targets = try query.targets(id, "app").map { id throws(ServiceError) in try find(id, caller) }
            try await apps.delete(targets.map(\.id))
            return RecordQuery.answer(targets.map { query.written(Self.record($0), request) }, isOne: id != nil)
        case (_, let id):
            let records = try RecordBody(request).records
            let changes = try records.map { record throws(ServiceError) in
                (
                    id: try find(id ?? record["id"]?.text ?? "", caller).id,
                    change: { @Sendable app in try self.change(app, record) }
                )
            }
            let changed = try await apps.update(changes).map { query.written(Self.record($0), request) }
            return RecordQuery.answer(changed, isOne: id != nil)
        }
    }

    /// The key is in the answer whatever `fields` says: it is never seen again.
    private func create(
        _ records: [JSONText], _ apps: Apps, _ query: RecordQuery, _ request: ServiceRequest
    ) async throws -> ServiceResponse {
        let drafts = try records.map { record throws(ServiceError) in
            try change(App(name: "", role: nil), record)
        }
        var made: [JSONText] = []
        for (app, key) in try await apps.create(drafts) {
            var members = query.written(Self.record(app), request).members.map { ($0.key, $0.value) }
            members.append(("api_key", .string(key)))
            made.append(.object(members))
        }
        return .json(.object([("resource", .array(made))]), status: 201)
    }

    private func change(_ app: App, _ record: JSONText) throws(ServiceError) -> App {
        var app = app
        let fields = RecordFields(record: record)
        app.name = try fields.required("name", longest: 64, over: app.name, of: "an app")
        app.description = try fields.text("description", longest: 255, over: app.description)
        app.isActive = try fields.bool("is_active", over: app.isActive)
        app.role = try fields.integer("role_id", over: app.role)
        return app
    }

    private func find(_ text: String, _ caller: Caller) throws(ServiceError) -> App {
        guard let id = Int64(text), let app = caller.tenant.apps[id] else { throw RecordQuery.missing(text) }
        return app
    }

    private static func record(_ app: App) -> RecordQuery.Record {
        [
            ("id", .integer(app.id)),
            ("name", .string(app.name)),
            ("description", .string(app.description)),
            ("is_active", .bool(app.isActive)),
            ("role_id", .integer(app.role)),
        ]
    }
}
