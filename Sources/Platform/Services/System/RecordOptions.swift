import Core

/// The options of a call that is about records, from its query or from its body (dreamfactory.md §6.3): a filter may be too
/// long for a query, and a tunnelled GET carries it in the body. Names that are not known are left alone.
struct RecordOptions {
    private let query: [String: String]
    private let body: [String: JSONText]
    /// The ids that the body's records name, where it names nothing else: `{"resource":[1,{"id":2}]}` or `[1,2]`.
    let listedIDs: [JSONText]

    private static let aliases: [String: [String]] = [
        "fields": ["select"], "filter": ["where"], "limit": ["top"], "offset": ["skip"], "order": ["sort", "order_by"],
    ]

    init(_ request: ServiceRequest) {
        var query: [String: String] = [:]
        for pair in Query.pairs(request.query, most: Query.mostParameters) { query[pair.name] = pair.value }
        self.query = query
        // What is no JSON is refused where a body is needed, and means nothing where none is.
        let json = (request.body.isEmpty ? nil : try? JSONText(checking: request.body)) ?? .null
        let members = json.members
        // A record that stands for itself has fields of its own names.
        let isRecord = request.verb.carriesRecords && !members.contains { $0.key == "resource" }
        body = isRecord ? [:] : Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        let listed = json.kind == .array ? json.elements : body["resource"]?.elements ?? []
        listedIDs =
            request.verb.carriesRecords ? [] : listed.compactMap { $0.kind == .object ? $0["id"] : $0 }
    }

    /// An option's value as a text, a list's elements joined by commas; nil where it is missing or empty.
    func text(_ name: String) -> String? {
        for name in [name] + (Self.aliases[name] ?? []) {
            if let value = query[name], !value.isEmpty { return value }
        }
        for name in [name] + (Self.aliases[name] ?? []) {
            guard let value = body[name], !value.isNull else { continue }
            let text =
                value.kind == .array
                ? value.elements.map { $0.string ?? $0.text }.joined(separator: ",") : value.string ?? value.text
            if !text.isEmpty { return text }
        }
        return nil
    }

    /// Whether an option is switched on.
    func isTrue(_ name: String) -> Bool {
        text(name).map { ["true", "1", "yes", "on"].contains($0.lowercased()) } ?? false
    }

    /// Names separated by commas; nil for all of them.
    func names(_ name: String) -> [String]? {
        guard let text = text(name), text != "*" else { return nil }
        return text.split(separator: ",").map { String($0.trimming { $0 == " " }) }
    }

    /// - Throws: ``ServiceError`` 400 for what is no whole number of 0 or more.
    func number(_ name: String) throws(ServiceError) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), number >= 0 else {
            throw .badRequest("'\(name)' must be a whole number of 0 or more, not '\(text.prefix(64))'.")
        }
        return number
    }
}

extension Verb {
    /// Whether the body is records, rather than options about them.
    fileprivate var carriesRecords: Bool { [.post, .put, .patch].contains(self) }
}
