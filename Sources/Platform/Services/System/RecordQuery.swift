import Core

/// How a list of records is wanted: `fields`, `ids`, `filter`, `order`, `limit`, `offset`, `as_list`, `include_count`
/// (dreamfactory.md §6.3).
struct RecordQuery {
    /// A record as its members.
    typealias Record = [(String, JSONText)]

    private let fields: [String]?
    let ids: [Int64]?
    private let limit: Int?
    private let offset: Int
    private let order: [(field: String, isDescending: Bool)]
    private let isList: Bool
    private let counts: Bool
    private let filter: RecordFilter?

    /// - Throws: ``ServiceError`` 400 that names the parameter.
    init(_ request: ServiceRequest) throws(ServiceError) {
        var values: [String: String] = [:]
        for pair in Query.pairs(request.query) { values[pair.name] = pair.value }
        fields = values["fields"].flatMap { text in
            text.isEmpty || text == "*" ? nil : text.split(separator: ",").map { String($0.trimming { $0 == " " }) }
        }
        ids = try Self.list(values["ids"])
        limit = try Self.number("limit", values["limit"])
        offset = try Self.number("offset", values["offset"]) ?? 0
        order = (values["order"] ?? "").split(separator: ",").map { part in
            let words = part.split(separator: " ")
            return (String(words.first ?? ""), words.count > 1 && words[1].lowercased() == "desc")
        }
        isList = Self.isTrue(values["as_list"])
        counts = Self.isTrue(values["include_count"])
        filter = try values["filter"].flatMap { $0.isEmpty ? nil : $0 }.map { text throws(ServiceError) in
            try RecordFilter(text)
        }
    }

    /// The answer to a read of many records.
    /// - Throws: ``ServiceError`` 400 where `filter` or `order` names a field that the records do not have.
    func list(_ records: [Record]) throws(ServiceError) -> JSONText {
        if let first = records.first {
            let known = first.map(\.0)
            for (name, fields) in [("filter", filter?.fields ?? []), ("order", order.map(\.field))] {
                guard let unknown = fields.first(where: { !known.contains($0) }) else { continue }
                throw .badRequest(
                    "'\(name)' names the field '\(unknown.prefix(64))', which these records do not have. They have: "
                        + known.joined(separator: ", ") + ".")
            }
        }
        var found = records.filter { record in
            (ids.map { $0.contains(Self.id(record)) } ?? true) && (filter?.admits(record) ?? true)
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
        let count = found.count
        found = Array(found.dropFirst(offset).prefix(limit ?? .max))
        var members: Record = [
            (
                "resource",
                .array(found.map { isList ? .integer(Self.id($0)) : select($0) })
            )
        ]
        if counts { members.append(("meta", .object([("count", .integer(count))]))) }
        return .object(members)
    }

    /// A record with the wanted fields.
    func select(_ record: Record) -> JSONText {
        guard let fields else { return .object(record) }
        return .object(record.filter { fields.contains($0.0) })
    }

    /// The answer to a write: the id alone, or the wanted fields.
    func written(_ record: Record, _ request: ServiceRequest) -> JSONText {
        Query.value("fields", in: request.query) == nil ? .object(record.filter { $0.0 == "id" }) : select(record)
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

    private static func list(_ text: String?) throws(ServiceError) -> [Int64]? {
        guard let text, !text.isEmpty else { return nil }
        var ids: [Int64] = []
        for part in text.split(separator: ",") {
            guard let id = Int64(part.trimming { $0 == " " }) else {
                throw .badRequest("'ids' must be whole numbers separated by commas; '\(part)' is none.")
            }
            ids.append(id)
        }
        return ids
    }

    private static func number(_ name: String, _ text: String?) throws(ServiceError) -> Int? {
        guard let text, !text.isEmpty else { return nil }
        guard let number = Int(text), number >= 0 else {
            throw .badRequest("'\(name)' must be a whole number of 0 or more, not '\(text)'.")
        }
        return number
    }

    private static func isTrue(_ text: String?) -> Bool {
        ["true", "1"].contains(text?.lowercased() ?? "")
    }

    /// Numbers compare as numbers, texts without regard to case.
    private static func key(_ record: Record, _ field: String) -> RecordKey {
        let value = record.first { $0.0 == field }?.1 ?? .null
        return RecordKey(number: value.double, text: (value.string ?? value.text).lowercased())
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

/// The filters that system records take: `name=value` comparisons joined by `and` or `or`, with or without parentheses
/// around each and quotes around values.
struct RecordFilter {
    private enum Join { case and, or }
    private let terms: [(field: String, value: String, isEqual: Bool)]
    private let join: Join

    /// What it compares.
    var fields: [String] { terms.map(\.field) }

    /// - Throws: ``ServiceError`` 400 that says what is understood.
    init(_ text: String) throws(ServiceError) {
        let lowered = text.replacing(" AND ", with: " and ").replacing(" OR ", with: " or ")
        let join: Join = lowered.contains(" or ") ? .or : .and
        guard join == .and || !lowered.contains(" and ") else { throw Self.refusal(text) }
        var terms: [(field: String, value: String, isEqual: Bool)] = []
        for part in lowered.split(separator: join == .or ? " or " : " and ") {
            let closed = part.trimming { $0 == " " }
            guard closed.hasPrefix("(") == closed.hasSuffix(")") else { throw Self.refusal(text) }
            let term = closed.trimming { $0 == " " || $0 == "(" || $0 == ")" }
            let sign = term.contains("!=") ? "!=" : "="
            guard let range = term.firstRange(of: sign) else { throw Self.refusal(text) }
            let field = term[..<range.lowerBound].trimming { $0 == " " }
            let value = term[range.upperBound...].trimming { $0 == " " || $0 == "'" || $0 == "\"" }
            guard !field.isEmpty, field.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else {
                throw Self.refusal(text)
            }
            terms.append((String(field), String(value), sign == "="))
        }
        guard !terms.isEmpty else { throw Self.refusal(text) }
        self.terms = terms
        self.join = join
    }

    func admits(_ record: RecordQuery.Record) -> Bool {
        let results = terms.lazy.map { term in
            let value = record.first { $0.0 == term.field }?.1 ?? .null
            return ((value.string ?? value.text) == term.value) == term.isEqual
        }
        return join == .and ? results.allSatisfy { $0 } : results.contains(true)
    }

    private static func refusal(_ text: String) -> ServiceError {
        .badRequest(
            "The filter '\(text.prefix(200))' is not understood. Use field=value or field!=value, joined by all 'and' or all 'or'."
        )
    }
}
