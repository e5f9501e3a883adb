import Core

/// The filters that records take (dreamfactory.md §11.1): comparisons joined by `and`, `or` and `not`, with parentheses, and
/// with or without quotes around values.
struct RecordFilter {
    private indirect enum Node {
        case all([Node])
        case any([Node])
        case not(Node)
        case comparison(RecordComparison)
    }

    private let root: Node
    /// What it compares.
    let fields: [String]

    /// Nobody writes more by hand, and each costs.
    static let longest = 16_384
    static let mostComparisons = 50
    static let deepest = 16

    /// - Throws: ``ServiceError`` 400 that says what is understood.
    init(_ text: String) throws(ServiceError) {
        guard text.utf8.count <= Self.longest else {
            throw .badRequest("A filter may have \(Self.longest) bytes at most.")
        }
        var reader = RecordFilterReader(text)
        root = try Self.any(&reader, depth: 0)
        guard reader.isAtEnd else { throw reader.refusal }
        var fields: [String] = []
        Self.collect(root, &fields)
        guard fields.count <= Self.mostComparisons else {
            throw .badRequest("A filter may have \(Self.mostComparisons) comparisons at most.")
        }
        self.fields = fields
    }

    func admits(_ record: RecordQuery.Record) -> Bool { Self.admits(root, record) }

    private static func any(_ reader: inout RecordFilterReader, depth: Int) throws(ServiceError) -> Node {
        var nodes = [try all(&reader, depth: depth)]
        while reader.take(word: "or") { nodes.append(try all(&reader, depth: depth)) }
        return nodes.count == 1 ? nodes[0] : .any(nodes)
    }

    private static func all(_ reader: inout RecordFilterReader, depth: Int) throws(ServiceError) -> Node {
        var nodes = [try one(&reader, depth: depth)]
        while reader.take(word: "and") { nodes.append(try one(&reader, depth: depth)) }
        return nodes.count == 1 ? nodes[0] : .all(nodes)
    }

    private static func one(_ reader: inout RecordFilterReader, depth: Int) throws(ServiceError) -> Node {
        guard depth < deepest else { throw .badRequest("A filter may nest \(deepest) parentheses deep at most.") }
        if reader.take(word: "not") { return .not(try one(&reader, depth: depth + 1)) }
        guard reader.take("(") else { return .comparison(try reader.comparison()) }
        let inner = try any(&reader, depth: depth + 1)
        guard reader.take(")") else { throw reader.refusal }
        return inner
    }

    private static func collect(_ node: Node, _ fields: inout [String]) {
        switch node {
        case .all(let nodes), .any(let nodes): for node in nodes { collect(node, &fields) }
        case .not(let node): collect(node, &fields)
        case .comparison(let comparison): fields.append(comparison.field)
        }
    }

    private static func admits(_ node: Node, _ record: RecordQuery.Record) -> Bool {
        switch node {
        case .all(let nodes): nodes.allSatisfy { admits($0, record) }
        case .any(let nodes): nodes.contains { admits($0, record) }
        case .not(let node): !admits(node, record)
        case .comparison(let comparison):
            comparison.holds(for: record.first { $0.0 == comparison.field }?.1 ?? .null)
        }
    }
}
