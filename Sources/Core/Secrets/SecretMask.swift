/// Hides values in what a script prints and in its errors.
///
/// Whatever the values are, the work is bounded: from each place on few bytes are compared, and a text that goes on like a long
/// value for 48 bytes is hidden as far as it does.
public struct SecretMask: Sendable {
    /// What stands in the place of a value.
    public static let mark = "**********"
    /// A shorter value would be found in every other word.
    public static let shortest = 4

    /// How many bytes of a value are looked for step by step.
    private static let depth = 16
    /// How many behind them make sure.
    private static let certain = 32
    /// How many values that begin alike are told apart.
    private static let mostAlike = 8

    /// The value whose beginning ends at a node, without that beginning.
    private struct Ending {
        var rests: [[UInt8]] = []
        /// Too many to compare: then the rest of the line is hidden.
        var isCrowded = false
    }

    /// The first byte's node; 0 where no value begins so.
    private var roots = [Int32](repeating: 0, count: 256)
    /// From a node and a byte to the next node.
    private var steps: [UInt64: Int32] = [:]
    private var endings: [Int32: Ending] = [:]
    private var nodes: Int32 = 0

    /// - Parameter values: each is hidden as it is, line by line, and as JSON, base64 and a URL would have it.
    public init(_ values: some Sequence<String>) {
        var forms: Set<String> = []
        for value in values {
            for line in value.split(whereSeparator: \.isNewline) {
                let line = String(line)
                forms.insert(line)
                forms.insert(String(JSONText.quoted(line).dropFirst().dropLast()))
            }
            for modifier in [LookupModifier.base64Encode, .urlencode, .rawurlencode] {
                forms.insert(modifier.applied(to: value))
            }
            for writing in [LiteralText.Writing.javaScript, .php, .python(isBytes: false)] {
                forms.insert(String(decoding: writing.escaped(value), as: UTF8.self))
            }
        }
        for form in forms where form.utf8.count >= Self.shortest { add(Array(form.utf8)) }
    }

    private mutating func add(_ value: [UInt8]) {
        let first = Int(value[0])
        if roots[first] == 0 {
            nodes += 1
            roots[first] = nodes
        }
        var node = roots[first]
        for byte in value.dropFirst().prefix(Self.depth - 1) {
            let step = Self.step(node, byte)
            if let next = steps[step] {
                node = next
            } else {
                nodes += 1
                steps[step] = nodes
                node = nodes
            }
        }
        var ending = endings[node] ?? Ending()
        if ending.rests.count < Self.mostAlike {
            ending.rests.append(Array(value.dropFirst(Self.depth)))
        } else {
            ending.isCrowded = true
        }
        endings[node] = ending
    }

    private static func step(_ node: Int32, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }

    /// The text with ``mark`` in the place of every value.
    public func applied(to text: String) -> String {
        guard nodes > 0 else { return text }
        var text = text
        let ranges = text.withUTF8 { bytes in hidden(in: bytes) }
        guard !ranges.isEmpty else { return text }
        let bytes = Array(text.utf8)
        var out: [UInt8] = []
        var end = 0
        for range in ranges {
            out += bytes[end..<range.lowerBound]
            out += Array(Self.mark.utf8)
            end = range.upperBound
        }
        return String(decoding: out + bytes[end...], as: UTF8.self)
    }

    private func hidden(in bytes: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var index = 0
        while index < bytes.count {
            if roots[Int(bytes[index])] != 0, let end = end(of: index, in: bytes) {
                found.append(index..<end)
                index = end
            } else {
                index += 1
            }
        }
        return found
    }

    /// Where the longest value that begins at `start` ends; nil where none does.
    private func end(of start: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var node = roots[Int(bytes[start])]
        var index = start + 1
        var best: Int?
        while true {
            if let ending = endings[node] {
                if ending.isCrowded {
                    return bytes[index...].firstIndex { $0 == 0x0A } ?? bytes.count
                }
                for rest in ending.rests {
                    let alike = zip(rest, bytes[index...]).prefix(Self.certain).count { $0 == $1 }
                    guard alike == min(rest.count, Self.certain) else { continue }
                    let more = zip(rest.dropFirst(alike), bytes[(index + alike)...]).prefix { $0 == $1 }.count
                    best = max(best ?? 0, index + alike + more)
                }
            }
            guard index < bytes.count, let next = steps[Self.step(node, bytes[index])] else { return best }
            node = next
            index += 1
        }
    }

    /// The JSON value with its texts masked; the names of members stay.
    public func applied(to json: JSONText) -> JSONText {
        guard nodes > 0 else { return json }
        switch json.kind {
        case .string: return .string(applied(to: json.string ?? ""))
        case .array: return .array(json.elements.map { applied(to: $0) })
        case .object: return .object(json.members.map { ($0.key, applied(to: $0.value)) })
        case .null, .bool, .number: return json
        }
    }
}
