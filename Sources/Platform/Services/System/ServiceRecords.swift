import Catalog
import Core
import Database
import Execution

/// `system/service`: the tenant's services and their scripts (dreamfactory.md §6.1).
struct ServiceRecords {
    let platform: Platform

    func answer(_ request: ServiceRequest, _ path: [String], _ caller: Caller) async throws -> ServiceResponse {
        guard path.count <= 1 else {
            throw ServiceError.notFound("Resource '\(request.resource)' not found for service 'system'.")
        }
        try request.allow(.get, .post, .put, .patch, .delete)
        let services = platform.catalog.services(caller.tenant.id)
        let query = try RecordQuery(request)
        switch (request.verb, path.first) {
        case (.get, nil): return .json(try query.list(try await services.records().map(Self.record)))
        case (.get, let id?): return .json(query.select(Self.record(try await find(id, services))))
        case (.post, nil): return try await create(RecordBody(request).records, services, query, request, caller)
        case (.post, _?):
            throw ServiceError.notAllowed(
                "POST", on: "system/\(request.resource)", allowed: [.get, .put, .patch, .delete])
        case (.delete, let id):
            let ids = try query.targets(id, "service")
            var gone: [Services.Record] = []
            for id in ids { gone.append(try await find(id, services)) }
            for record in gone where try await !services.delete(record.id) {
                throw RecordQuery.missing(String(record.id))
            }
            return RecordQuery.answer(gone.map { query.written(Self.record($0), request) }, isOne: id != nil)
        case (_, let id): return try await change(id, request, services, query, caller)
        }
    }

    private func create(
        _ records: [JSONText], _ services: Services, _ query: RecordQuery, _ request: ServiceRequest, _ caller: Caller
    ) async throws -> ServiceResponse {
        // All are checked before the first is stored.
        var drafts: [Services.Draft] = []
        for record in records {
            let draft = try ServiceDraft(languages: platform.executor.languages).draft(from: record)
            try await checkSyntax(draft)
            drafts.append(draft)
        }
        var made: [JSONText] = []
        for id in try await services.create(drafts, by: caller.session.user?.id) {
            made.append(query.written(Self.record(try await find(String(id), services)), request))
        }
        return .json(.object([("resource", .array(made))]), status: 201)
    }

    private func change(
        _ id: String?, _ request: ServiceRequest, _ services: Services, _ query: RecordQuery, _ caller: Caller
    ) async throws -> ServiceResponse {
        let reader = ServiceDraft(languages: platform.executor.languages)
        var changes: [(id: Int64, record: JSONText)] = []
        for record in try RecordBody(request).records {
            guard let id = id ?? record["id"]?.text else {
                throw ServiceError.badRequest(
                    "Each record needs its 'id', or the path names one: 'system/service/{id}'.")
            }
            let old = try await find(id, services)
            let draft = try reader.draft(from: record, over: old.draft)
            if draft.content != old.draft.content || draft.language != old.draft.language {
                try await checkSyntax(draft)
            }
            changes.append((old.id, record))
        }
        var written: [JSONText] = []
        for change in changes {
            // What the record leaves out stays as it is stored then, not as it was read before.
            let isThere = try await services.update(change.id, by: caller.session.user?.id) { stored in
                try reader.draft(from: change.record, over: stored)
            }
            guard isThere else { throw RecordQuery.missing(String(change.id)) }
            written.append(
                query.written(Self.record(try await find(String(change.id), services)), request))
        }
        return RecordQuery.answer(written, isOne: id != nil)
    }

    private func checkSyntax(_ draft: Services.Draft) async throws(ServiceError) {
        try await SyntaxCheck(platform: platform).check(
            draft.content, draft.language, name: "service.\(draft.name)", owner: draft.name, kind: "service")
    }

    private func find(_ text: String, _ services: Services) async throws -> Services.Record {
        guard let id = Int64(text), let record = try await services.records(id: id).first else {
            throw RecordQuery.missing(text)
        }
        return record
    }

    private static func record(_ record: Services.Record) -> RecordQuery.Record {
        let draft = record.draft
        return [
            ("id", .integer(record.id)),
            ("name", .string(draft.name)),
            ("label", .string(draft.label)),
            ("description", .string(draft.description)),
            ("is_active", .bool(draft.isActive)),
            ("type", .string(draft.language.rawValue)),
            (
                "config",
                .object([("content", .string(draft.content))] + draft.config.members.map { ($0.key, $0.value) })
            ),
            ("service_doc_by_service_id", draft.doc.map { JSONText(trusted: $0) } ?? .null),
            ("version", .integer(record.version)),
            ("mutable", .bool(true)),
            ("deletable", .bool(true)),
            ("created_date", .string(record.createdAt.description)),
            ("last_modified_date", .string(record.modifiedAt.description)),
            ("created_by_id", .integer(record.createdBy)),
            ("last_modified_by_id", .integer(record.modifiedBy)),
        ]
    }
}
