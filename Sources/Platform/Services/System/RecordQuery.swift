import Core

/// How records are wanted: `fields`, `related`, `ids`, `filter`, `order`, `limit`, `offset`, `as_list`, `include_count`,
/// `wrap` (dreamfactory.md §6.3).
struct RecordQuery {
    /// A record as its members.
    typealias Record = [(String, JSONText)]

    private let fields: [String]?
    /// Whether the caller says which fields, if only all of them.
    private let namesFields: Bool
    private let relations: Set<String>
    /// The related members that are wanted, by `related` or by `fields`.
    let related: Set<String>
    let ids: [Int64]?
    private let limit: Int?
    private let offset: Int
    private let order: [(field: String, isDescending: Bool)]
    private let isList: Bool
    private let counts: Bool
    private let wraps: Bool
    private let filter: RecordFilter?

    /// By how many fields records are ordered; more change nothing for anybody.
    private static let mostOrders = 8

    /// - Parameter relations: the members of the records that are shown only where `related` names them.
    /// - Throws: ``ServiceError`` 400 that names the parameter.
    init(_ request: ServiceRequest, relations: Set<String> = []) throws(ServiceError) {
        let options = RecordOptions(request)
        fields = options.names("fields")
        namesFields = options.text("fields") != nil
        self.relations = relations
        let related = options.names("related") ?? (options.text("related") == nil ? [] : relations.sorted())
        if let unknown = related.first(where: { !relations.contains($0) }) {
            throw .badRequest(
                "'related' names '\(unknown.prefix(64))', which these records do not have. They have: "
                    + (relations.isEmpty ? "none" : relations.sorted().joined(separator: ", ")) + ".")
        }
        self.related = relations.intersection(related + (fields ?? []))
        ids = try Self.ids(options)
        limit = try options.number("limit")
        offset = try options.number("offset") ?? 0
        order = (options.text("order") ?? "").split(separator: ",").prefix(Self.mostOrders).map { part in
            let words = part.split(separator: " ")
            return (String(words.first ?? ""), words.count > 1 && words[1].lowercased() == "desc")
        }
        isList = options.isTrue("as_list")
        counts = options.isTrue("include_count")
        wraps = !["false", "0", "no", "off"].contains(
            (options.text("wrap") ?? request.header("wrap") ?? "").lowercased())
        filter = try options.text("filter").map { text throws(ServiceError) in try RecordFilter(text) }
    }

    /// Whether a filter picks the records.
    var filters: Bool { filter != nil }

    /// The answer to a read of many records.
    /// - Throws: ``ServiceError`` 400 where `filter` or `order` names a field that the records do not have.
    func list(_ records: [Record]) throws(ServiceError) -> JSONText {
        var found = try found(records)
        let count = found.count
        found = Array(found.dropFirst(offset).prefix(limit ?? .max))
        let shown = JSONText.array(found.map { isList ? identifier($0) : select($0) })
        guard wraps else { return shown }
        var members: Record = [("resource", shown)]
        if counts { members.append(("meta", .object([("count", .integer(count))]))) }
        return .object(members)
    }

    /// The records that `ids` and `filter` pick, in the wanted order.
    /// - Throws: as ``list(_:)``.
    func found(_ records: [Record]) throws(ServiceError) -> [Record] {
        if let first = records.first {
            let known = first.map(\.0)
            for (name, fields) in [("filter", filter?.fields ?? []), ("order", order.map(\.field))] {
                guard let unknown = fields.first(where: { !known.contains($0) }) else { continue }
                throw .badRequest(
                    "'\(name)' names the field '\(unknown.prefix(64))', which these records do not have. They have: "
                        + known.joined(separator: ", ") + ".")
            }
        }
        let wanted = ids.map { Set($0) }
        var found = records.filter { record in
            (wanted?.contains(Self.id(record)) ?? true) && (filter?.admits(record) ?? true)
        }
        for (field, isDescending) in order.reversed() {
            let keyed = found.enumerated().map {
                (offset: $0.offset, record: $0.element, key: Self.key($0.element, field))
            }
            found = keyed.sorted { a, b in
                if a.key == b.key { return a.offset < b.offset }
                return isDescending ? b.key < a.key : a.key < b.key
            }.map(\.record)
        }
        return found
    }

    /// A record with the wanted fields.
    func select(_ record: Record) -> JSONText {
        .object(
            record.filter { name, _ in
                relations.contains(name) ? related.contains(name) : fields?.contains(name) ?? true
            })
    }

    /// What stands for a record in a list of identifiers: the one field that is asked for, else the id, else the name.
    private func identifier(_ record: Record) -> JSONText {
        let name = fields?.count == 1 ? fields?.first : nil
        return
            (name.flatMap { name in record.first { $0.0 == name } } ?? record.first { $0.0 == "id" }
            ?? record.first { $0.0 == "name" })?.1 ?? .null
    }

    /// The answer to a write: the id alone, or the wanted fields.
    /// - Parameter always: the members that are shown whatever is wanted.
    func written(_ record: Record, always: Set<String> = []) -> JSONText {
        .object(
            record.filter { name, _ in
                if always.contains(name) || related.contains(name) { return true }
                if relations.contains(name) { return false }
                return namesFields ? fields?.contains(name) ?? true : name == "id"
            })
    }

    /// The ids that a write is for: the path's, else those of `ids`.
    /// - Throws: ``ServiceError`` 400 where there is neither.
    func targets(_ id: String?, _ kind: String) throws(ServiceError) -> [String] {
        if let id { return [id] }
        guard let ids, !ids.isEmpty else {
            throw .badRequest("Say which: 'system/\(kind)/{id}' or '?ids=1,2'.")
        }
        return ids.map { String($0) }
    }

    /// One record where the path names one, else a list, wrapped unless the caller wants it bare.
    func answer(_ records: [JSONText], isOne: Bool = false, status: Int = 200) -> ServiceResponse {
        let list = JSONText.array(records)
        return .json(
            isOne ? records.first ?? .emptyObject : wraps ? .object([("resource", list)]) : list, status: status)
    }

    /// One record where the path names one, else a list.
    static func answer(_ records: [JSONText], isOne: Bool) -> ServiceResponse {
        .json(isOne ? records.first ?? .emptyObject : .object([("resource", .array(records))]))
    }

    static func missing(_ id: String) -> ServiceError {
        .missingRecord(id)
    }

    static func id(_ record: Record) -> Int64 {
        record.first { $0.0 == "id" }?.1.integer.map(Int64.init) ?? 0
    }

    private static func ids(_ options: RecordOptions) throws(ServiceError) -> [Int64]? {
        let listed = options.listedIDs.map { $0.string ?? $0.text }
        guard let given = options.text("ids")?.split(separator: ",").map(String.init) ?? (listed.isEmpty ? nil : listed)
        else { return nil }
        var ids: [Int64] = []
        var seen: Set<Int64> = []
        for part in given {
            guard let id = Int64(part.trimming { $0 == " " }) else {
                throw .badRequest("'ids' must be whole numbers separated by commas; '\(part.prefix(64))' is none.")
            }
            if seen.insert(id).inserted { ids.append(id) }
        }
        return ids
    }

    /// Numbers compare as numbers, texts without regard to case.
    private static func key(_ record: Record, _ field: String) -> RecordKey {
        let value = record.first { $0.0 == field }?.1 ?? .null
        return RecordKey(number: value.double, text: RecordComparison.text(value).lowercased())
    }
}

/// What records are ordered by.
struct RecordKey: Comparable {
    let number: Double?
    let text: String

    static func < (a: RecordKey, b: RecordKey) -> Bool {
        if let x = a.number, let y = b.number { return x < y }
        return a.text < b.text
    }
}
