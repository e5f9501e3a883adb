import Core

/// A kind of records below `system`: what is its own of making, reading and changing them. ``RecordResource`` does the rest.
///
/// What changes several records changes all or none, and marks in its ``ServiceError`` which one is at fault.
protocol RecordKind: Sendable {
    /// Its name in the path.
    var name: String { get }
    /// The members of a record that belong to other records: shown where `related` names them.
    static var relations: Set<String> { get }
    /// The members that the answer to a POST has whatever `fields` says.
    static var shownOnce: Set<String> { get }

    /// All of them, in the order of their ids.
    func all() async throws -> [RecordQuery.Record]
    /// The one with this id; nil where there is none.
    func find(_ id: Int64) async throws -> RecordQuery.Record?
    func create(_ records: [JSONText]) async throws -> [RecordQuery.Record]
    /// PUT as well as PATCH: what a record leaves out stays.
    func change(_ changes: [RecordChange]) async throws -> [RecordQuery.Record]
    /// Removes all of them or none.
    func remove(_ ids: [Int64]) async throws
}

extension RecordKind {
    /// Gives the records as they were.
    func delete(_ ids: [Int64]) async throws -> [RecordQuery.Record] {
        var gone: [RecordQuery.Record] = []
        for (index, id) in ids.enumerated() {
            gone.append(
                try await ServiceError.marking(record: index) {
                    guard let record = try await find(id) else { throw RecordQuery.missing(String(id)) }
                    return record
                })
        }
        try await remove(ids)
        return gone
    }

    static var relations: Set<String> { [] }
    static var shownOnce: Set<String> { [] }
}

/// What a record is to become.
struct RecordChange: Sendable {
    let id: Int64
    let record: JSONText
}
