import Catalog
import Core
import Database
import Execution

/// `system/service`: the tenant's services and their scripts (dreamfactory.md §6.1).
struct ServiceRecords: RecordKind {
    static let relations: Set<String> = ["service_doc_by_service_id"]

    let name = "service"
    let platform: Platform
    let caller: Caller

    private var services: Services { platform.catalog.services(caller.tenant.id) }
    private var reader: ServiceDraft { ServiceDraft(languages: platform.executor.languages) }

    func all() async throws -> [RecordQuery.Record] {
        try await services.records().map(Self.record)
    }

    func find(_ id: Int64) async throws -> RecordQuery.Record? {
        try await services.records(id: id).first.map(Self.record)
    }

    func create(_ records: [JSONText]) async throws -> [RecordQuery.Record] {
        // All are checked before the first is stored.
        var drafts: [Services.Draft] = []
        for (index, record) in records.enumerated() {
            drafts.append(
                try await ServiceError.marking(record: index) {
                    let draft = try reader.draft(from: record)
                    try await checkSyntax(draft)
                    return draft
                })
        }
        return try await stored(try await services.create(drafts, by: caller.session.user?.id))
    }

    func change(_ changes: [RecordChange]) async throws -> [RecordQuery.Record] {
        let reader = reader
        for (index, change) in changes.enumerated() {
            try await ServiceError.marking(record: index) {
                let old = try await existing(change.id).draft
                let draft = try reader.draft(from: change.record, over: old)
                if draft.content != old.content || draft.language != old.language { try await checkSyntax(draft) }
            }
        }
        // What a record leaves out stays as it is stored then, not as it was read before.
        try await services.update(
            changes.map { change in
                Services.Change(change.id) { stored in try reader.draft(from: change.record, over: stored) }
            }, by: caller.session.user?.id)
        return try await stored(changes.map(\.id))
    }

    func remove(_ ids: [Int64]) async throws { try await services.delete(ids) }

    private func existing(_ id: Int64) async throws -> Services.Record {
        guard let record = try await services.records(id: id).first else { throw RecordQuery.missing(String(id)) }
        return record
    }

    private func stored(_ ids: [Int64]) async throws -> [RecordQuery.Record] {
        var records: [RecordQuery.Record] = []
        for id in ids { records.append(Self.record(try await existing(id))) }
        return records
    }

    private func checkSyntax(_ draft: Services.Draft) async throws(ServiceError) {
        try await SyntaxCheck(platform: platform).check(
            draft.content, draft.language, name: "service.\(draft.name)", owner: draft.name, kind: "service")
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
