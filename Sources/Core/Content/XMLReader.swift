/// XML as JSON in DreamFactory's form: the root's name is dropped, an element with children is an object, elements of one
/// name are a list, text is a text, and attributes do not count.
///
/// It reads what strangers send, so it knows no document types and no entities but the five of XML itself: nothing to fetch
/// and nothing to expand. Foundation's XMLParser brings all of Foundation (45 MB) into every process, and reads
/// document types.
public struct XMLReader {
    /// The text is not well-formed, or has a document type.
    private struct Refused: Error {}

    /// An element whose end has not come.
    private struct Element {
        let name: String
        var text: [UInt8] = []
        /// The values of the children by their names, in the order of their first appearance, and joined by commas.
        var children: [(name: String, values: [UInt8], count: Int)] = []
        var places: [String: Int] = [:]
    }

    /// Each level costs a copy of what is in it.
    private static let deepest = 100

    private let bytes: [UInt8]
    private var position = 0
    private var open: [Element] = []

    /// The root's content; nil where the text is no XML that is read here.
    public static func json(_ text: String) -> JSONText? {
        var reader = XMLReader(bytes: Array(text.utf8))
        return try? reader.document()
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func document() throws(Refused) -> JSONText {
        _ = take("\u{FEFF}")
        try skipMisc()
        guard peek == UInt8(ascii: "<") else { throw Refused() }
        var root: [UInt8]?
        while root == nil {
            guard position < bytes.count else { throw Refused() }
            root = bytes[position] == UInt8(ascii: "<") ? try markup() : try characters()
        }
        try skipMisc()
        guard position == bytes.count, let root else { throw Refused() }
        return JSONText(trusted: String(decoding: root, as: UTF8.self))
    }

    /// White space, comments and processing instructions around the root.
    private mutating func skipMisc() throws(Refused) {
        while true {
            skipSpace()
            if take("<!--") {
                try skip(to: "-->")
            } else if take("<?") {
                try skip(to: "?>")
            } else {
                return
            }
        }
    }

    /// What begins with `<`.
    /// - Returns: the root's value where its end has come.
    private mutating func markup() throws(Refused) -> [UInt8]? {
        if take("</") { return try endTag() }
        if take("<!--") {
            try skip(to: "-->")
        } else if take("<![CDATA[") {
            try cdata()
        } else if take("<?") {
            try skip(to: "?>")
        } else {
            position += 1
            return try startTag()
        }
        return nil
    }

    private mutating func startTag() throws(Refused) -> [UInt8]? {
        guard open.count < Self.deepest else { throw Refused() }
        open.append(Element(name: try name()))
        while true {
            let before = position
            skipSpace()
            if take("/>") { return close() }
            if take(">") { return nil }
            guard position > before else { throw Refused() }
            try skipAttribute()
        }
    }

    private mutating func skipAttribute() throws(Refused) {
        _ = try name()
        skipSpace()
        guard take("=") else { throw Refused() }
        skipSpace()
        guard let quote = peek, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else { throw Refused() }
        position += 1
        while let byte = peek, byte != quote {
            guard byte != UInt8(ascii: "<") else { throw Refused() }
            position += 1
        }
        guard peek == quote else { throw Refused() }
        position += 1
    }

    private mutating func endTag() throws(Refused) -> [UInt8]? {
        guard let element = open.last, try name() == element.name else { throw Refused() }
        skipSpace()
        guard take(">") else { throw Refused() }
        return close()
    }

    /// Ends the innermost element and gives its value to the one around it.
    private mutating func close() -> [UInt8]? {
        let element = open.removeLast()
        let value = Self.value(of: element)
        guard !open.isEmpty else { return value }
        let outer = open.count - 1
        if let place = open[outer].places[element.name] {
            open[outer].children[place].values.append(UInt8(ascii: ","))
            open[outer].children[place].values.append(contentsOf: value)
            open[outer].children[place].count += 1
        } else {
            open[outer].places[element.name] = open[outer].children.count
            open[outer].children.append((name: element.name, values: value, count: 1))
            // Text between elements is not kept.
            open[outer].text = []
        }
        return nil
    }

    private static func value(of element: Element) -> [UInt8] {
        guard !element.children.isEmpty else {
            let text = element.text.allSatisfy(isSpace) ? [] : element.text
            return Array(JSONText.quoted(String(decoding: text, as: UTF8.self)).utf8)
        }
        var out: [UInt8] = []
        for child in element.children {
            out.append(out.isEmpty ? UInt8(ascii: "{") : UInt8(ascii: ","))
            out.append(contentsOf: JSONText.quoted(child.name).utf8)
            out.append(UInt8(ascii: ":"))
            if child.count > 1 { out.append(UInt8(ascii: "[")) }
            out.append(contentsOf: child.values)
            if child.count > 1 { out.append(UInt8(ascii: "]")) }
        }
        out.append(UInt8(ascii: "}"))
        return out
    }

    /// Text up to the next markup.
    private mutating func characters() throws(Refused) -> [UInt8]? {
        while let byte = peek, byte != UInt8(ascii: "<") {
            if byte == UInt8(ascii: "&") { try reference() } else { try character() }
        }
        return nil
    }

    private mutating func cdata() throws(Refused) {
        while !take("]]>") {
            guard position < bytes.count else { throw Refused() }
            try character()
        }
    }

    /// One byte of text. A line ends with one line feed, however it was written (XML 1.0 §2.11).
    private mutating func character() throws(Refused) {
        var byte = bytes[position]
        position += 1
        if byte == 0x0D {
            byte = 0x0A
            if peek == 0x0A { position += 1 }
        }
        guard byte >= 0x20 || byte == 0x0A || byte == 0x09 else { throw Refused() }
        append(byte)
    }

    /// `&amp;`, `&#233;`, `&#xE9;`
    private mutating func reference() throws(Refused) {
        let start = position + 1
        // The longest is `&#1114111;`.
        guard let end = bytes[start...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else { throw Refused() }
        let name = String(decoding: bytes[start..<end], as: UTF8.self)
        position = end + 1
        switch name {
        case "amp": append(UInt8(ascii: "&"))
        case "lt": append(UInt8(ascii: "<"))
        case "gt": append(UInt8(ascii: ">"))
        case "quot": append(UInt8(ascii: "\""))
        case "apos": append(UInt8(ascii: "'"))
        default:
            let isHex = name.hasPrefix("#x")
            let digits = name.dropFirst(isHex ? 2 : 1)
            guard name.hasPrefix("#"), digits.allSatisfy(\.isHexDigit),
                let number = UInt32(digits, radix: isHex ? 16 : 10), let scalar = Unicode.Scalar(number),
                number >= 0x20 || [0x09, 0x0A, 0x0D].contains(number), number != 0xFFFE, number != 0xFFFF
            else { throw Refused() }
            for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { append(byte) }
        }
    }

    private mutating func append(_ byte: UInt8) {
        // Text of an element that has children is not kept, and outside the root there is none but space.
        guard let last = open.indices.last, open[last].children.isEmpty else { return }
        open[last].text.append(byte)
    }

    private mutating func name() throws(Refused) -> String {
        let start = position
        while let byte = peek, !Self.isSpace(byte), !Self.endsNames.contains(byte) { position += 1 }
        let first = position > start ? bytes[start] : 0
        guard first == UInt8(ascii: "_") || first == UInt8(ascii: ":") || first >= 0x80 || Self.isLetter(first) else {
            throw Refused()
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private static let endsNames: Set<UInt8> = Set("<>&\"'=/!?".utf8).union(0..<0x20)

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = peek, Self.isSpace(byte) { position += 1 }
    }

    /// Takes a sign if it comes next.
    private mutating func take(_ sign: StaticString) -> Bool {
        guard position + sign.utf8CodeUnitCount <= bytes.count else { return false }
        for offset in 0..<sign.utf8CodeUnitCount where bytes[position + offset] != sign.utf8Start[offset] {
            return false
        }
        position += sign.utf8CodeUnitCount
        return true
    }

    private mutating func skip(to end: StaticString) throws(Refused) {
        while !take(end) {
            guard position < bytes.count else { throw Refused() }
            position += 1
        }
    }
}
