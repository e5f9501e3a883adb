/// Query strings: percent-encoding and the bracket syntax of PHP.
public enum Query {
    /// The name and value pairs of a query, decoded; `+` is a space. A name without `=` has an empty value.
    /// - Parameter most: how many are read.
    public static func pairs(
        _ query: some StringProtocol, most: Int = .max
    ) -> [(name: String, value: String)] {
        query.split(separator: "&", maxSplits: most == .max ? .max : most).prefix(most).map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (decode(parts[0], plusIsSpace: true), parts.count > 1 ? decode(parts[1], plusIsSpace: true) : "")
        }
    }

    /// The last value of a name; nil where it is missing.
    public static func value(_ name: String, in query: some StringProtocol) -> String? {
        pairs(query).last { $0.name == name }?.value
    }

    /// The percent-encoding resolved. Bytes that are not UTF-8 become U+FFFD, NUL as well.
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String {
        var out: [UInt8] = []
        var bytes = text.utf8.makeIterator()
        var pending: [UInt8] = []
        while let byte = pending.popLast() ?? bytes.next() {
            guard byte == UInt8(ascii: "%") else {
                out.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
                continue
            }
            guard let high = bytes.next() else {
                out.append(byte)
                break
            }
            guard let low = bytes.next() else {
                out.append(contentsOf: [byte, high])
                break
            }
            if let a = hexDigit(high), let b = hexDigit(low) {
                out.append(a << 4 | b)
            } else {
                out.append(byte)
                pending = [low, high]
            }
        }
        return String(decoding: out, as: UTF8.self).replacing("\0", with: "\u{FFFD}")
    }

    /// Everything but the unreserved characters of RFC 3986 §2.3 percent-encoded.
    public static func encode(_ text: String) -> String {
        var out: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                out.append(byte)
            default:
                out.append(UInt8(ascii: "%"))
                out.append(contentsOf: Array(Hex.encode([byte]).uppercased().utf8))
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// How many variables are read; more are dropped, as PHP's `max_input_vars` has it.
    public static let mostParameters = ParameterTree.mostValues

    /// The pairs as `event.request.parameters` has them: `a[b]=1&a[c]=2&d[]=3` nests as PHP's `parse_str` does.
    public static func parameters(_ query: some StringProtocol) -> JSONText {
        let tree = ParameterTree()
        for (name, value) in pairs(query, most: mostParameters) { tree.insert(.string(value), at: name) }
        return tree.json
    }

    /// The inverse of ``parameters(_:)``: a map as a query, nested values in brackets.
    /// - Parameter limit: in bytes.
    /// - Returns: nil where that would be longer, or be more than ``mostParameters`` values.
    public static func text(of parameters: JSONText, limit: Int) -> String? {
        var text = ""
        var count = 0
        /// False where it has become too much; nothing is written then that could be large.
        func add(_ name: String, _ value: JSONText) -> Bool {
            guard name.utf8.count <= limit else { return false }
            switch value.kind {
            case .object: return value.members.allSatisfy { add("\(name)[\($0.key)]", $0.value) }
            case .array: return value.elements.enumerated().allSatisfy { add("\(name)[\($0.offset)]", $0.element) }
            case .null, .bool, .number, .string:
                count += 1
                guard count <= mostParameters else { return false }
                let plain = value.isNull ? "" : value.string ?? value.text
                guard text.utf8.count + name.utf8.count + plain.utf8.count <= limit else { return false }
                text += "\(text.isEmpty ? "" : "&")\(encode(name))=\(encode(plain))"
                return text.utf8.count <= limit
            }
        }
        return parameters.members.allSatisfy { add($0.key, $0.value) } ? text : nil
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        byte < 0x80 ? Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init) : nil
    }
}
