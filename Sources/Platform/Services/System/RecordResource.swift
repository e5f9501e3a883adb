import Core

/// `system/{kind}` and `system/{kind}/{id}`, the same for every kind of records (dreamfactory.md §6.3).
struct RecordResource<Kind: RecordKind> {
    let kind: Kind

    /// - Parameter path: what comes behind the kind's name.
    func answer(_ request: ServiceRequest, _ path: [String]) async throws -> ServiceResponse {
        guard path.count <= 1 else {
            throw ServiceError.notFound("Resource '\(request.resource)' not found for service '\(request.service)'.")
        }
        try request.allow(.get, .post, .put, .patch, .delete)
        let query = try RecordQuery(request, relations: Kind.relations)
        let batch = RecordBatch(request)
        let show: (RecordQuery.Record) -> JSONText = { query.written($0) }
        switch (request.verb, path.first) {
        case (.get, nil): return .json(try query.list(try await kind.all()))
        case (.get, let id?): return .json(query.select(try await find(id)))
        case (.post, nil):
            let records = try RecordBody(request).records
            let made = try await batch.run(records, "created", show: show, store: kind.create)
            return query.answer(made.map { query.written($0, always: Kind.shownOnce) }, status: 201)
        case (.post, _?):
            throw ServiceError.notAllowed(
                "POST", on: "\(request.service)/\(request.resource)", allowed: [.get, .put, .patch, .delete])
        case (.delete, let id):
            let ids = try await targets(id, query)
            let gone = try await batch.run(ids, "deleted", show: show, store: kind.delete)
            return query.answer(gone.map(show), isOne: id != nil)
        case (_, let id):
            let changes = try await changes(id, request, query)
            let changed = try await batch.run(changes, "updated", show: show, store: kind.change)
            return query.answer(changed.map(show), isOne: id != nil)
        }
    }

    private func find(_ text: String) async throws -> RecordQuery.Record {
        guard let id = Int64(text), let record = try await kind.find(id) else { throw RecordQuery.missing(text) }
        return record
    }

    /// The records that a write is for: the path's, those of `ids`, or those that a filter finds.
    private func targets(_ id: String?, _ query: RecordQuery) async throws -> [Int64] {
        if let id { return [RecordQuery.id(try await find(id))] }
        if query.filters { return try query.found(try await kind.all()).map(RecordQuery.id) }
        return try query.targets(nil, kind.name).compactMap { Int64($0) }
    }

    /// One record for the path's id, one for all that `ids` or a filter names, or several that name themselves.
    private func changes(
        _ id: String?, _ request: ServiceRequest, _ query: RecordQuery
    ) async throws -> [RecordChange] {
        let records = try RecordBody(request).records
        if id != nil || query.ids != nil || query.filters {
            guard records.count == 1 else {
                throw ServiceError.badRequest("Send one record: it is for all that the path, 'ids' or 'filter' names.")
            }
            return try await targets(id, query).map { RecordChange(id: $0, record: records[0]) }
        }
        return try records.enumerated().map { index, record in
            try ServiceError.marking(record: index) {
                guard let id = record["id"] else {
                    throw ServiceError.badRequest(
                        "Each record needs its 'id', or the path names one: 'system/\(kind.name)/{id}'.")
                }
                guard let number = Int64(id.string ?? id.text) else { throw RecordQuery.missing(id.string ?? id.text) }
                return RecordChange(id: number, record: record)
            }
        }
    }
}
