/// Walks over the bytes of a JSON text. It builds nothing: values are ranges of the text.
struct JSONScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let refusingNUL: Bool
    private var position = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, refusingNUL: Bool = false) {
        self.bytes = bytes
        self.refusingNUL = refusingNUL
    }

    /// Checks the whole text and returns the range of its one value.
    mutating func document() throws(JSONError) -> Range<Int> {
        skipSpace()
        let start = position
        try value(depth: 0)
        let end = position
        skipSpace()
        guard position == bytes.count else { throw fault(.trailingText) }
        return start..<end
    }

    /// The members of the object that a checked text is.
    mutating func topLevelMembers() -> [(String, Range<Int>)] {
        var found: [(String, Range<Int>)] = []
        // The text was checked: a throw can not happen, and would end the list.
        try? container(opening: "{", closing: "}") { scanner throws(JSONError) in
            let key = try scanner.string()
            try scanner.expect(":")
            found.append((key, try scanner.rangeOfValue(depth: 1)))
        }
        return found
    }

    /// The elements of the array that a checked text is.
    mutating func topLevelElements() -> [Range<Int>] {
        var found: [Range<Int>] = []
        try? container(opening: "[", closing: "]") { scanner throws(JSONError) in
            found.append(try scanner.rangeOfValue(depth: 1))
        }
        return found
    }

    /// A string at the position, unescaped.
    mutating func string() throws(JSONError) -> String {
        skipSpace()
        let start = position
        let plain = try skipString()
        let inner = bytes[(start + 1)..<(position - 1)]
        return plain ? String(decoding: inner, as: UTF8.self) : unescape(inner)
    }

    private mutating func rangeOfValue(depth: Int) throws(JSONError) -> Range<Int> {
        skipSpace()
        let start = position
        try value(depth: depth)
        return start..<position
    }

    private mutating func value(depth: Int) throws(JSONError) {
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        guard depth < JSONText.maximumDepth else { throw fault(.tooDeep) }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            try container(opening: "{", closing: "}") { scanner throws(JSONError) in
                scanner.skipSpace()
                _ = try scanner.skipString()
                try scanner.expect(":")
                scanner.skipSpace()
                try scanner.value(depth: depth + 1)
            }
        case UInt8(ascii: "["):
            try container(opening: "[", closing: "]") { scanner throws(JSONError) in
                scanner.skipSpace()
                try scanner.value(depth: depth + 1)
            }
        case UInt8(ascii: "\""): _ = try skipString()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: try number()
        }
    }

    private mutating func container(
        opening: Unicode.Scalar, closing: Unicode.Scalar,
        _ item: (inout JSONScanner) throws(JSONError) -> Void
    ) throws(JSONError) {
        try expect(opening)
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: closing) {
            position += 1
            return
        }
        while true {
            try item(&self)
            skipSpace()
            guard position < bytes.count else { throw fault(.unexpectedEnd) }
            if bytes[position] == UInt8(ascii: ",") {
                position += 1
            } else if bytes[position] == UInt8(ascii: closing) {
                position += 1
                return
            } else {
                throw fault(.unexpectedCharacter)
            }
        }
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
        skipSpace()
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        guard bytes[position] == UInt8(ascii: character) else { throw fault(.unexpectedCharacter) }
        position += 1
    }

    private mutating func word(_ word: StaticString) throws(JSONError) {
        let end = position + word.utf8CodeUnitCount
        guard end <= bytes.count else { throw fault(.unexpectedEnd) }
        for offset in 0..<word.utf8CodeUnitCount where bytes[position + offset] != word.utf8Start[offset] {
            throw fault(.unexpectedCharacter)
        }
        position = end
    }

    private mutating func number() throws(JSONError) {
        let start = position
        if peek == UInt8(ascii: "-") { position += 1 }
        if peek == UInt8(ascii: "0") {
            position += 1
        } else if digits() == 0 {
            throw fault(position == start ? .unexpectedCharacter : .invalidNumber)
        }
        if peek == UInt8(ascii: ".") {
            position += 1
            if digits() == 0 { throw fault(.invalidNumber) }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            if digits() == 0 { throw fault(.invalidNumber) }
        }
        if let next = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { throw fault(.invalidNumber) }
    }

    private mutating func digits() -> Int {
        let start = position
        while let next = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { position += 1 }
        return position - start
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// Steps over a string; tells whether it holds no escapes.
    private mutating func skipString() throws(JSONError) -> Bool {
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        guard bytes[position] == UInt8(ascii: "\"") else { throw fault(.unexpectedCharacter) }
        position += 1
        var plain = true
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return plain
            case UInt8(ascii: "\\"):
                plain = false
                try skipEscape()
            case 0..<0x20: throw fault(.controlCharacter)
            default: position += 1
            }
        }
        throw fault(.unexpectedEnd)
    }

    private mutating func skipEscape() throws(JSONError) {
        position += 1
        guard let letter = peek else { throw fault(.unexpectedEnd) }
        position += 1
        switch letter {
        case UInt8(ascii: "u"):
            let unit = try hexUnit()
            if unit == 0, refusingNUL { throw fault(.nul) }
            if (0xDC00...0xDFFF).contains(unit) { throw fault(.loneSurrogate) }
            if (0xD800...0xDBFF).contains(unit) {
                guard peek == UInt8(ascii: "\\"), position + 1 < bytes.count,
                    bytes[position + 1] == UInt8(ascii: "u")
                else { throw fault(.loneSurrogate) }
                position += 2
                guard (0xDC00...0xDFFF).contains(try hexUnit()) else { throw fault(.loneSurrogate) }
            }
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            break
        default: throw fault(.invalidEscape)
        }
    }

    private mutating func hexUnit() throws(JSONError) -> UInt16 {
        guard position + 4 <= bytes.count else { throw fault(.unexpectedEnd) }
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue, bytes[position] < 0x80 else {
                throw fault(.invalidEscape)
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }

    /// The escapes of a checked string, resolved.
    private func unescape(_ inner: Slice<UnsafeBufferPointer<UInt8>>) -> String {
        var units: [UInt16] = []
        var out = ""
        var index = inner.startIndex
        var run = index
        func flush(_ end: Int, _ out: inout String) {
            if run < end { out += String(decoding: inner[run..<end], as: UTF8.self) }
        }
        while index < inner.endIndex {
            guard inner[index] == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            flush(index, &out)
            let letter = inner[index + 1]
            index += 2
            switch letter {
            case UInt8(ascii: "u"):
                let hex = String(decoding: inner[index..<(index + 4)], as: UTF8.self)
                units = [UInt16(hex, radix: 16) ?? 0xFFFD]
                index += 4
                if (0xD800...0xDBFF).contains(units[0]) {
                    let low = String(decoding: inner[(index + 2)..<(index + 6)], as: UTF8.self)
                    units.append(UInt16(low, radix: 16) ?? 0xFFFD)
                    index += 6
                }
                out += String(decoding: units, as: UTF16.self)
            case UInt8(ascii: "b"): out += "\u{08}"
            case UInt8(ascii: "f"): out += "\u{0C}"
            case UInt8(ascii: "n"): out += "\n"
            case UInt8(ascii: "r"): out += "\r"
            case UInt8(ascii: "t"): out += "\t"
            default: out.unicodeScalars.append(Unicode.Scalar(letter))
            }
            run = index
        }
        flush(inner.endIndex, &out)
        return out
    }

    private mutating func skipSpace() {
        while let next = peek, next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { position += 1 }
    }

    private func fault(_ code: JSONError.Code) -> JSONError {
        let seen = bytes[..<min(position, bytes.count)]
        let lineStart = seen.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let line = seen.count { $0 == 0x0A } + 1
        return JSONError(code, line: line, column: seen.count - lineStart + 1)
    }
}
