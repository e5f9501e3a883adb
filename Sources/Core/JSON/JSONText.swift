/// A JSON text that has been checked once and is kept as it was written: key order, number text and large integers survive.
///
/// The text is valid by RFC 8259 and, beyond it, holds no lone surrogate (RFC 7493 §2.1) and nests at most
/// ``JSONText/maximumDepth`` deep. White space around the value is dropped, inside it is kept.
public struct JSONText: Sendable, Hashable, CustomStringConvertible {
    /// The deepest nesting of arrays and objects that is accepted.
    public static let maximumDepth = 512

    /// The checked text.
    public let text: String

    /// The kind of a JSON value.
    public enum Kind: Sendable {
        case null, bool, number, string, array, object
    }

    public static let null = JSONText(trusted: "null")
    public static let emptyObject = JSONText(trusted: "{}")

    /// Takes a text that is known to be valid, such as one written by this program.
    public init(trusted text: String) {
        self.text = text
    }

    /// Checks `text` and keeps it.
    /// - Parameter refusingNUL: whether the character NUL (`\u0000`) in a string is a fault, as PostgreSQL's text and many a
    ///   C library have it.
    /// - Throws: ``JSONError`` with the line and column of the first fault.
    public init(checking text: String, refusingNUL: Bool = false) throws(JSONError) {
        var text = text
        let result: Result<(Range<Int>, whole: Bool), JSONError> = text.withUTF8 { bytes in
            var scanner = JSONScanner(bytes, refusingNUL: refusingNUL)
            do throws(JSONError) {
                let range = try scanner.document()
                return .success((range, range.count == bytes.count))
            } catch {
                return .failure(error)
            }
        }
        let (range, whole) = try result.get()
        self.text = whole ? text : String(text.utf8.dropFirst(range.lowerBound).prefix(range.count)) ?? text
    }

    /// Checks `bytes` as UTF-8 and as JSON.
    /// - Throws: ``JSONError``
    public init(checking bytes: some Collection<UInt8>, refusingNUL: Bool = false) throws(JSONError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JSONError(.notUTF8, line: 0, column: 0)
        }
        try self.init(checking: text, refusingNUL: refusingNUL)
    }

    /// The value's kind, told by its first byte.
    public var kind: Kind {
        switch text.utf8.first {
        case UInt8(ascii: "n"): .null
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "{"): .object
        default: .number
        }
    }

    /// The members of an object in their order, each value as it was written; empty for other kinds.
    public var members: [(key: String, value: JSONText)] {
        guard kind == .object else { return [] }
        var text = self.text
        return text.withUTF8 { bytes in
            var scanner = JSONScanner(bytes)
            return scanner.topLevelMembers().map { key, range in
                (key, JSONText(trusted: String(decoding: bytes[range], as: UTF8.self)))
            }
        }
    }

    /// The elements of an array, each as it was written; empty for other kinds.
    public var elements: [JSONText] {
        guard kind == .array else { return [] }
        var text = self.text
        return text.withUTF8 { bytes in
            var scanner = JSONScanner(bytes)
            return scanner.topLevelElements().map { range in
                JSONText(trusted: String(decoding: bytes[range], as: UTF8.self))
            }
        }
    }

    /// The value of an object's member; the last one where a key repeats, as every language's parser has it.
    public subscript(key: String) -> JSONText? {
        members.last { $0.key == key }?.value
    }

    /// The text of a string, unescaped; nil for other kinds.
    public var string: String? {
        guard kind == .string else { return nil }
        var text = self.text
        return text.withUTF8 { bytes in
            var scanner = JSONScanner(bytes)
            return try? scanner.string()
        }
    }

    /// The value of a whole number that fits; nil for other kinds and for fractions.
    public var integer: Int? {
        kind == .number ? Int(text) ?? Double(text).flatMap { Int(exactly: $0) } : nil
    }

    /// The value of a number; nil for other kinds.
    public var double: Double? {
        kind == .number ? Double(text) : nil
    }

    /// The value of a boolean; nil for other kinds.
    public var bool: Bool? {
        kind == .bool ? text == "true" : nil
    }

    public var isNull: Bool { kind == .null }

    public var description: String { text }
}

extension JSONText {
    /// An object with these members, in this order.
    public static func object(_ members: [(String, JSONText)]) -> JSONText {
        var text = "{"
        for (index, member) in members.enumerated() {
            if index > 0 { text += "," }
            text += quoted(member.0)
            text += ":"
            text += member.1.text
        }
        text += "}"
        return JSONText(trusted: text)
    }

    /// An array of these elements.
    public static func array(_ elements: some Sequence<JSONText>) -> JSONText {
        JSONText(trusted: "[" + elements.map(\.text).joined(separator: ",") + "]")
    }

    public static func string(_ value: String) -> JSONText { JSONText(trusted: quoted(value)) }
    public static func string(_ value: String?) -> JSONText {
        guard let value else { return .null }
        return JSONText(trusted: quoted(value))
    }
    public static func integer(_ value: some BinaryInteger) -> JSONText { JSONText(trusted: String(value)) }
    public static func integer(_ value: (some BinaryInteger)?) -> JSONText {
        guard let value else { return .null }
        return JSONText(trusted: String(value))
    }
    public static func bool(_ value: Bool) -> JSONText { JSONText(trusted: value ? "true" : "false") }

    /// A finite number, without a fraction where it has none; null for the others, which JSON can not hold.
    public static func number(_ value: Double) -> JSONText {
        guard value.isFinite else { return .null }
        return JSONText(trusted: Int(exactly: value).map(String.init) ?? value.description)
    }

    /// `value` as a JSON string with its quotes. Only what must be escaped is (RFC 8259 §7), and `U+2028`/`U+2029` stay.
    public static func quoted(_ value: String) -> String {
        var value = value
        return value.withUTF8 { bytes in
            var out: [UInt8] = []
            out.reserveCapacity(bytes.count + 2)
            out.append(UInt8(ascii: "\""))
            for byte in bytes {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    out.append(UInt8(ascii: "\\"))
                    out.append(byte)
                case 0x0A: out.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
                case 0x0D: out.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
                case 0x09: out.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
                case 0..<0x20:
                    let hex = Array("0123456789abcdef".utf8)
                    out.append(contentsOf: Array("\\u00".utf8))
                    out.append(hex[Int(byte >> 4)])
                    out.append(hex[Int(byte & 15)])
                default: out.append(byte)
                }
            }
            out.append(UInt8(ascii: "\""))
            return String(decoding: out, as: UTF8.self)
        }
    }
}
