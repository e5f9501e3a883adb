/// JSON as XML in DreamFactory's form: a root `dfapi`, an element for each member, and an element of the same name for each
/// element of a list. Read once from end to end, so that nesting costs nothing.
public struct XMLWriter {
    private static let root = "dfapi"
    private static let declaration = #"<?xml version="1.0" ?>"#
    /// What a list at the top, which has no name, calls its elements.
    private static let unnamed = "resource"

    /// An object or a list around the position.
    private struct Frame {
        let isObject: Bool
        /// Its own, and that of its elements where it is a list.
        let name: String
        /// How deep its tags stand.
        let level: Int
        var isEmpty = true
    }

    private let limit: Int
    private var out: [UInt8] = []
    private var frames: [Frame] = []
    private var key = Self.root

    private init(limit: Int) {
        self.limit = limit
    }

    /// - Parameter limit: the writing stops soon after so many bytes; a result that is longer is not whole.
    public static func bytes(_ json: JSONText, limit: Int) -> [UInt8] {
        var writer = XMLWriter(limit: limit)
        writer.append(declaration)
        if json.kind == .array { writer.append("<\(root)>\n") }
        for token in JSONTokens(json) {
            writer.write(token)
            guard writer.out.count <= limit else { break }
        }
        if json.kind == .array { writer.append("</\(root)>\n") }
        return writer.out
    }

    /// A text that is no JSON, as the root's content.
    public static func bytes(text: String, limit: Int) -> [UInt8] {
        var writer = XMLWriter(limit: limit)
        writer.append("\(declaration)<\(root)>")
        writer.append(escaping: text)
        writer.append("</\(root)>")
        return writer.out
    }

    private mutating func write(_ token: JSONTokens.Token) {
        switch token {
        case .openObject:
            let name = begin()
            frames.append(Frame(isObject: true, name: name, level: level))
        case .openArray:
            let isTop = frames.isEmpty
            let name = isTop ? Self.unnamed : begin()
            frames.append(Frame(isObject: false, name: name, level: isTop ? 1 : level))
        case .key(let name): key = Self.name(name)
        case .value(let value):
            let name = begin()
            open(name, level)
            switch value.kind {
            case .null: break
            case .string: append(escaping: value.string ?? "")
            default: append(value.text)
            }
            append("</\(name)>\n")
        case .closeObject, .closeArray:
            guard let frame = frames.popLast() else { return }
            if frame.isObject {
                if frame.isEmpty { open(frame.name, frame.level) } else { indent(frame.level) }
                append("</\(frame.name)>\n")
            } else if frame.isEmpty, !frames.isEmpty {
                open(frame.name, frame.level)
                append("</\(frame.name)>\n")
            }
        }
    }

    /// A value begins: what is around it is not empty, and its name is its key's or its list's.
    private mutating func begin() -> String {
        guard let frame = frames.last else { return key }
        if frame.isEmpty {
            frames[frames.count - 1].isEmpty = false
            if frame.isObject {
                open(frame.name, frame.level)
                append("\n")
            }
        }
        return frame.isObject ? key : frame.name
    }

    /// How deep the tags of a value stand that begins here. Elements of a list stand where the list would.
    private var level: Int {
        guard let frame = frames.last else { return 0 }
        return frame.isObject ? frame.level + 1 : frame.level
    }

    private mutating func open(_ name: String, _ level: Int) {
        indent(level)
        append("<\(name)>")
    }

    private mutating func indent(_ level: Int) {
        out.append(contentsOf: repeatElement(UInt8(ascii: "\t"), count: level))
    }

    private mutating func append(_ text: String) {
        out.append(contentsOf: text.utf8)
    }

    /// Markup is escaped, and so is a carriage return, which a reader would drop. What XML 1.0 can not hold becomes U+FFFD.
    private mutating func append(escaping text: String) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": append("&amp;")
            case "<": append("&lt;")
            case ">": append("&gt;")
            case "\"": append("&quot;")
            case "'": append("&#039;")
            case "\r": append("&#13;")
            case "\t", "\n": out.append(UInt8(truncatingIfNeeded: scalar.value))
            case "\u{0}"..<" ", "\u{FFFE}", "\u{FFFF}": append("\u{FFFD}")
            default: out.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
    }

    /// A key as an element's name: what a name can not hold becomes `_`. A colon would name a namespace that is not there.
    private static func name(_ key: String) -> String {
        var name = String.UnicodeScalarView()
        for scalar in key.unicodeScalars { name.append(isNameCharacter(scalar) ? scalar : "_") }
        guard let first = name.first else { return "_" }
        return isNameStart(first) ? String(name) : "_" + String(name)
    }

    /// Names of XML 1.0 (fifth edition, §2.3) without the colon.
    private static func isNameStart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x41...0x5A, 0x5F, 0x61...0x7A, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x2FF, 0x370...0x37D, 0x37F...0x1FFF,
            0x200C...0x200D, 0x2070...0x218F, 0x2C00...0x2FEF, 0x3001...0xD7FF, 0xF900...0xFDCF, 0xFDF0...0xFFFD,
            0x10000...0xEFFFF:
            true
        default: false
        }
    }

    private static func isNameCharacter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x2D, 0x2E, 0x30...0x39, 0xB7, 0x300...0x36F, 0x203F...0x2040: true
        default: isNameStart(scalar)
        }
    }
}
