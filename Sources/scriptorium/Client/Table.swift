import Core

/// Rows under headings, in columns.
struct Table {
    private var rows: [[String]]

    init(_ headings: [String]) { rows = [headings] }

    /// Each object is a row, each of the keys a column.
    init(_ objects: [JSONText], _ keys: [String]) {
        self.init(keys.map { $0.uppercased() })
        for object in objects { add(keys.map { Plain.value(object[$0]) }) }
    }

    mutating func add(_ row: [String]) { rows.append(row) }

    var text: String {
        var widths: [Int] = []
        for row in rows {
            for (index, cell) in row.enumerated() {
                if index == widths.count { widths.append(0) }
                widths[index] = max(widths[index], cell.count)
            }
        }
        return rows.map { row in
            row.enumerated().map { index, cell in
                index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// The members of an object below each other, those of inner objects with their path.
    /// - Parameter nothing: what stands for a null at a path.
    static func facts(_ object: JSONText, nothing: (String) -> String = { _ in "-" }) -> String {
        var facts: [(String, String)] = []
        func add(_ object: JSONText, _ prefix: String) {
            for (key, value) in object.members {
                if value.kind == .object {
                    add(value, "\(prefix)\(key).")
                } else {
                    let path = Plain.text(prefix + key)
                    facts.append((path, value.isNull ? nothing(path) : Plain.value(value)))
                }
            }
        }
        add(object, "")
        let width = facts.map(\.0.count).max() ?? 0
        return facts.map { key, value in
            "\(key)\(String(repeating: " ", count: width - key.count))  \(value)"
        }.joined(separator: "\n")
    }
}
