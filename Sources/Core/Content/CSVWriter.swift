/// JSON as CSV (RFC 4180): a line of names, then a line for each record. The records are those in `resource`, the elements
/// of a list, or the one that the value is. What nests in a record is written as JSON.
public struct CSVWriter {
    private let limit: Int
    private var out: [UInt8] = []

    private init(limit: Int) {
        self.limit = limit
    }

    /// - Parameter limit: the writing stops soon after so many bytes; a result that is longer is not whole.
    public static func bytes(_ json: JSONText, limit: Int) -> [UInt8] {
        var writer = CSVWriter(limit: limit)
        writer.write(rows(of: json))
        return writer.out
    }

    private static func rows(of json: JSONText) -> [JSONText] {
        guard json.kind == .object else { return json.elements }
        guard let inner = json["resource"] ?? json["error"], inner.kind == .array || inner.kind == .object else {
            return json.members.isEmpty ? [] : [json]
        }
        return inner.kind == .array ? inner.elements : [inner]
    }

    private mutating func write(_ rows: [JSONText]) {
        // Every name that any record has, in the order of their first appearance.
        var names: [String] = []
        var places: [String: Int] = [:]
        let records = rows.map { row in row.kind == .object ? row.members : [] }
        for record in records {
            for member in record where places.updateValue(places[member.key] ?? names.count, forKey: member.key) == nil
            {
                names.append(member.key)
            }
        }
        if !names.isEmpty { line(names) }
        for (row, record) in zip(rows, records) {
            // Before each line: records that share no name make more commas than bytes came in.
            guard out.count <= limit else { return }
            switch row.kind {
            case .object:
                var fields = Array(repeating: "", count: names.count)
                for member in record { if let place = places[member.key] { fields[place] = Self.text(member.value) } }
                line(fields)
            case .array: line(row.elements.map(Self.text))
            default: line([Self.text(row)])
            }
        }
    }

    private static func text(_ value: JSONText) -> String {
        value.isNull ? "" : value.string ?? value.text
    }

    private mutating func line(_ fields: [String]) {
        for (index, field) in fields.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            append(field)
        }
        // A line with nothing on it is no record to those who read it.
        if fields == [""] { out.append(contentsOf: Array("\"\"".utf8)) }
        out.append(UInt8(ascii: "\n"))
    }

    /// Quotes where a reader would mistake the field without them: at a comma, a quote, the end of a line, or space at an end.
    private mutating func append(_ field: String) {
        let special: Set<UInt8> = [0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: "\"")]
        let isPlain =
            !field.utf8.contains(where: special.contains) && field.utf8.first != 0x20 && field.utf8.last != 0x20
        guard !isPlain else {
            out.append(contentsOf: field.utf8)
            return
        }
        out.append(UInt8(ascii: "\""))
        for byte in field.utf8 {
            if byte == UInt8(ascii: "\"") { out.append(byte) }
            out.append(byte)
        }
        out.append(UInt8(ascii: "\""))
    }
}
