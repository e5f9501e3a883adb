/// CSV (RFC 4180) as a list of records: the first line names their members, and all values are texts.
///
/// SwiftCSV would bring all of Foundation (45 MB) into every process, and keeps a record's members in no order.
public struct CSVReader {
    /// Short records under long names are far larger as JSON than as CSV: no more than so many times.
    private static let mostGrowth = 20
    private static let mostBytes = 64 << 20
    private static let mostColumns = 1000

    private let bytes: [UInt8]
    private var position = 0

    /// The records as a list; nil where there is no line of names with a record behind it, or where a quote does not end.
    public static func json(_ text: String) -> JSONText? {
        var reader = CSVReader(bytes: Array(text.utf8))
        return reader.records()
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
        // The mark that spreadsheets put before UTF-8.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    private mutating func records() -> JSONText? {
        guard let names = line(), names.count <= Self.mostColumns else { return nil }
        // Of two columns with one name the last counts.
        var columns: [String: Int] = [:]
        for (index, name) in names.enumerated() { columns[name] = index }
        let heads = names.enumerated().map { index, name in
            columns[name] == index ? Array("\(JSONText.quoted(name)):".utf8) : nil
        }
        var out: [UInt8] = [UInt8(ascii: "[")]
        let most = min((64 << 10) + bytes.count * Self.mostGrowth, Self.mostBytes)
        while position < bytes.count {
            // A line with nothing on it is no record.
            guard bytes[position] != 0x0A, bytes[position] != 0x0D else {
                position += 1
                continue
            }
            guard let fields = line() else { return nil }
            if out.count > 1 { out.append(UInt8(ascii: ",")) }
            out.append(UInt8(ascii: "{"))
            var isFirst = true
            for (index, head) in heads.enumerated() {
                guard let head else { continue }
                if !isFirst { out.append(UInt8(ascii: ",")) }
                isFirst = false
                out.append(contentsOf: head)
                out.append(contentsOf: index < fields.count ? Array(JSONText.quoted(fields[index]).utf8) : Self.null)
            }
            out.append(UInt8(ascii: "}"))
            guard out.count <= most else { return nil }
        }
        guard out.count > 1 else { return nil }
        out.append(UInt8(ascii: "]"))
        return JSONText(trusted: String(decoding: out, as: UTF8.self))
    }

    private static let null = Array("null".utf8)

    /// The fields of a line, which may hold line ends in quotes; nil where a quote does not end.
    private mutating func line() -> [String]? {
        var fields: [String] = []
        var field: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\"") where field.isEmpty:
                guard quoted(into: &field) else { return nil }
            case UInt8(ascii: ","):
                fields.append(String(decoding: field, as: UTF8.self))
                field = []
            case 0x0A, 0x0D:
                if byte == 0x0D, position < bytes.count, bytes[position] == 0x0A { position += 1 }
                return fields + [String(decoding: field, as: UTF8.self)]
            default: field.append(byte)
            }
        }
        return fields + [String(decoding: field, as: UTF8.self)]
    }

    /// What stands between two quotes; a quote inside is written twice.
    private mutating func quoted(into field: inout [UInt8]) -> Bool {
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { return true }
                position += 1
            }
            field.append(byte)
        }
        return false
    }
}
