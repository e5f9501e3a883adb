/// A name between braces in a text, perhaps with modifiers: `{name}`, `{urlencode(trim(name))}`.
struct Placeholder {
    /// With its braces, in bytes of the text.
    let range: Range<Int>
    /// What stands between the braces.
    let expression: String
    /// What stands for it.
    let value: String

    /// The longest text between braces.
    private static let longest = 256
    /// How deep modifiers nest.
    private static let deepest = 8
    /// The largest value that modifiers may make.
    private static let largestValue = 256 << 10

    /// Those in a text that mean something.
    /// - Parameter resolve: the value of a name; nil where it means nothing.
    static func all(in bytes: [UInt8], resolve: (String) -> String?) -> [Placeholder] {
        var found: [Placeholder] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "{") else {
                index += 1
                continue
            }
            let start = index
            index += 1
            guard index < bytes.count, Lookup.isWord(bytes[index]) else { continue }
            while index < bytes.count, index - start <= longest, isInner(bytes[index]) { index += 1 }
            guard index < bytes.count, bytes[index] == UInt8(ascii: "}") else { continue }
            let expression = String(decoding: bytes[(start + 1)..<index], as: UTF8.self)
            index += 1
            if let value = value(of: expression[...], 0, resolve) {
                found.append(Placeholder(range: start..<index, expression: expression, value: value))
            }
        }
        return found
    }

    private static func isInner(_ byte: UInt8) -> Bool {
        Lookup.isWord(byte) || ".-()".utf8.contains(byte)
    }

    private static func value(of expression: Substring, _ depth: Int, _ resolve: (String) -> String?) -> String? {
        guard let open = expression.firstIndex(of: "(") else {
            return expression.contains(")") ? nil : resolve(String(expression))
        }
        guard depth < deepest, expression.last == ")",
            let modifier = LookupModifier(rawValue: String(expression[..<open])),
            let inner = value(of: expression[expression.index(after: open)...].dropLast(), depth + 1, resolve),
            inner.utf8.count <= largestValue
        else { return nil }
        return modifier.applied(to: inner)
    }
}
