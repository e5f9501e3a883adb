import Catalog
import Core
import Database
import Execution

/// `system/event_script`: the scripts that run around services, by their events' names (dreamfactory.md §7.3).
struct EventScriptRecords {
    let platform: Platform

    private var reader: EventScriptDraft { EventScriptDraft(languages: platform.executor.languages) }

    func answer(_ request: ServiceRequest, _ path: [String], _ caller: Caller) async throws -> ServiceResponse {
        // Events of paths are named with dots, but nothing keeps a name from having a slash.
        let name = path.isEmpty ? nil : path.joined(separator: "/")
        try request.allow(.get, .post, .put, .patch, .delete)
        let scripts = platform.catalog.eventScripts(caller.tenant.id)
        switch (request.verb, name) {
        case (.get, nil): return .json(try await list(request, scripts))
        case (.get, let name?):
            return .json(try RecordQuery(request).select(Self.record(try await find(name, scripts))))
        case (.delete, let name): return try await delete(name, request, scripts)
        case (.post, let name?):
            let record = try Self.onlyRecord(request)
            let (made, stored) = try await save([(name, record)], mustBe: nil, scripts, caller)
            return .json(.object(Self.record(stored[0])), status: made.isEmpty ? 200 : 201)
        case (let verb, let name):
            var named: [(String, JSONText)] = []
            for record in try RecordBody(request).records {
                guard let own = name ?? record["name"]?.string else {
                    throw ServiceError.badRequest("Each record needs its 'name': the event's. It is \(EventName.rule).")
                }
                named.append((own, record))
            }
            let (_, stored) = try await save(named, mustBe: verb == .post ? .new : .known, scripts, caller)
            let shown = try stored.map { try selected($0, request) }
            return verb == .post
                ? .json(.object([("resource", .array(shown))]), status: 201)
                : RecordQuery.answer(shown, isOne: name != nil)
        }
    }

    private static func onlyRecord(_ request: ServiceRequest) throws(ServiceError) -> JSONText {
        let records = try RecordBody(request).records
        guard records.count == 1 else {
            throw .badRequest(
                "'system/\(request.resource)' is one script: send one record, or several to 'system/event_script'.")
        }
        return records[0]
    }

    private func selected(_ record: EventScripts.Record, _ request: ServiceRequest) throws(ServiceError) -> JSONText {
        guard Query.value("fields", in: request.query) != nil else {
            return .object([("name", .string(record.draft.name))])
        }
        return try RecordQuery(request).select(Self.record(record))
    }

    private func list(_ request: ServiceRequest, _ scripts: EventScripts) async throws -> JSONText {
        let query = try RecordQuery(request.without("ids"))
        var records = try await scripts.records()
        if let names = Self.names(request) { records = records.filter { names.contains($0.draft.name) } }
        return try query.list(records.map(Self.record))
    }

    private func delete(
        _ name: String?, _ request: ServiceRequest, _ scripts: EventScripts
    ) async throws -> ServiceResponse {
        guard let names = name.map({ [$0] }) ?? Self.names(request) else {
            throw ServiceError.badRequest("Say which: 'system/event_script/{name}' or '?ids=name,name'.")
        }
        var gone: [EventScripts.Record] = []
        for name in names { gone.append(try await find(name, scripts)) }
        try await scripts.delete(names)
        return RecordQuery.answer(try gone.map { try selected($0, request) }, isOne: name != nil)
    }

    private enum Presence { case new, known }

    /// All are checked before the first is stored.
    private func save(
        _ records: [(name: String, record: JSONText)], mustBe presence: Presence?, _ scripts: EventScripts,
        _ caller: Caller
    ) async throws -> (made: Set<String>, stored: [EventScripts.Record]) {
        let reader = reader
        for (name, record) in records {
            let old = try await scripts.records(name: name).first
            try Self.check(presence, old?.draft, name)
            let draft = try reader.draft(name, from: record, over: old?.draft)
            if draft.content != old?.draft.content || draft.language != old?.draft.language {
                try await SyntaxCheck(platform: platform).check(
                    draft.content, draft.language, name: name, owner: name, kind: "event_script")
            }
        }
        let changes = records.map { name, record in
            EventScripts.Change(name: name) { stored in
                try Self.check(presence, stored, name)
                return try reader.draft(name, from: record, over: stored)
            }
        }
        let made = try await scripts.save(changes, by: caller.session.user?.id)
        var stored: [EventScripts.Record] = []
        for (name, _) in records { stored.append(try await find(name, scripts)) }
        return (made, stored)
    }

    private static func check(
        _ presence: Presence?, _ old: EventScripts.Draft?, _ name: String
    ) throws(ServiceError) {
        if presence == .new, old != nil {
            throw .badRequest(
                "An event script '\(name)' exists already. Change it with PUT system/event_script/\(name).")
        }
        if presence == .known, old == nil { throw RecordQuery.missing(name) }
    }

    private func find(_ name: String, _ scripts: EventScripts) async throws -> EventScripts.Record {
        guard let record = try await scripts.records(name: name).first else { throw RecordQuery.missing(name) }
        return record
    }

    private static func names(_ request: ServiceRequest) -> [String]? {
        let text = Query.value("ids", in: request.query) ?? Query.value("names", in: request.query)
        guard let text, !text.isEmpty else { return nil }
        return text.split(separator: ",").map { String($0.trimming { $0 == " " }) }
    }

    private static func record(_ record: EventScripts.Record) -> RecordQuery.Record {
        let draft = record.draft
        return [
            ("name", .string(draft.name)),
            ("type", .string(draft.language.rawValue)),
            ("content", .string(draft.content)),
            ("config", .string(draft.config)),
            ("is_active", .bool(draft.isActive)),
            ("allow_event_modification", .bool(draft.allowsModification)),
            ("storage_service_id", .null),
            ("storage_path", .null),
            ("scm_repository", .null),
            ("scm_reference", .null),
            ("version", .integer(record.version)),
            ("created_date", .string(record.createdAt.description)),
            ("last_modified_date", .string(record.modifiedAt.description)),
            ("created_by_id", .integer(record.createdBy)),
            ("last_modified_by_id", .integer(record.modifiedBy)),
        ]
    }
}

extension ServiceRequest {
    /// The same request without a parameter of its query.
    fileprivate func without(_ name: String) -> ServiceRequest {
        var request = self
        request.query = Query.pairs(query).filter { $0.name != name }.map {
            "\(Query.encode($0.name))=\(Query.encode($0.value))"
        }.joined(separator: "&")
        return request
    }
}
