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
    public static let mostParameters = 1000

    /// The pairs as `event.request.parameters` has them: `a[b]=1&a[c]=2&d[]=3` nests as PHP's `parse_str` does.
    public static func parameters(_ query: some StringProtocol) -> JSONText {
        let root = Branch()
        for (name, value) in pairs(query, most: mostParameters) where !name.isEmpty {
            root.insert(value, at: path(name)[...])
        }
        return root.json
    }

    /// The inverse of ``parameters(_:)``: a map as a query, nested values in brackets.
    public static func text(of parameters: JSONText) -> String {
        var pairs: [String] = []
        func add(_ name: String, _ value: JSONText) {
            switch value.kind {
            case .object: for member in value.members { add("\(name)[\(member.key)]", member.value) }
            case .array: for (index, element) in value.elements.enumerated() { add("\(name)[\(index)]", element) }
            case .null: pairs.append("\(encode(name))=")
            case .bool, .number, .string: pairs.append("\(encode(name))=\(encode(value.string ?? value.text))")
            }
        }
        for member in parameters.members { add(member.key, member.value) }
        return pairs.joined(separator: "&")
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        byte < 0x80 ? Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init) : nil
    }

    /// `a[b][]` as `["a", "b", ""]`; a name whose brackets do not pair is one key.
    private static func path(_ name: String) -> [String] {
        guard let open = name.firstIndex(of: "["), open != name.startIndex else { return [name] }
        var keys = [String(name[..<open])]
        var rest = name[open...]
        while rest.first == "[", let close = rest.firstIndex(of: "]") {
            keys.append(String(rest[rest.index(after: rest.startIndex)..<close]))
            rest = rest[rest.index(after: close)...]
        }
        // Deep nesting is of no use to anybody and costs everybody who reads it.
        return keys.count > 1 && keys.count <= 16 ? keys : [name]
    }

    /// A map of the tree that the bracket syntax builds: its keys in their order, and where each stands.
    private final class Branch {
        private enum Value {
            case text(String)
            case branch(Branch)
        }

        private var members: [(key: String, value: Value)] = []
        private var places: [String: Int] = [:]
        private var nextNumber = 0

        func insert(_ text: String, at path: ArraySlice<String>) {
            guard let first = path.first else { return }
            // `[]` takes the next free number, as PHP does.
            let key = first.isEmpty ? String(nextNumber) : first
            if let number = Int(key), number >= nextNumber, number < .max { nextNumber = number + 1 }
            guard path.count > 1 else {
                put(.text(text), at: key)
                return
            }
            if let place = places[key], case .branch(let branch) = members[place].value {
                branch.insert(text, at: path.dropFirst())
            } else {
                let branch = Branch()
                branch.insert(text, at: path.dropFirst())
                put(.branch(branch), at: key)
            }
        }

        private func put(_ value: Value, at key: String) {
            if let place = places[key] {
                members[place].value = value
            } else {
                places[key] = members.count
                members.append((key, value))
            }
        }

        /// A map whose keys are 0, 1, 2 … is a list, as PHP writes it.
        var json: JSONText {
            let values = members.map { member -> JSONText in
                switch member.value {
                case .text(let text): .string(text)
                case .branch(let branch): branch.json
                }
            }
            let isList = !members.isEmpty && members.enumerated().allSatisfy { $0.element.key == String($0.offset) }
            return isList ? .array(values) : .object(Array(zip(members.map(\.key), values)))
        }
    }
}
