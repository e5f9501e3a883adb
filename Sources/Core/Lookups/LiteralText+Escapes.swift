extension LiteralText.Writing {
    /// Whether a placeholder is replaced where it stands; else its literal is written anew.
    var isInPlace: Bool {
        switch self {
        case .javaScript, .php, .python: true
        case .phpSingle, .pythonRaw: false
        }
    }

    /// A text as escapes only: no byte of it is code, wherever it stands.
    func escaped(_ text: String) -> [UInt8] {
        var out: [UInt8] = []
        switch self {
        case .php, .phpSingle, .python(isBytes: true), .pythonRaw(isBytes: true, _, _):
            for byte in text.utf8 { Self.append(Int(byte), "x", 2, &out) }
        case .javaScript:
            for unit in text.utf16 {
                if unit < 0x100 { Self.append(Int(unit), "x", 2, &out) } else { Self.append(Int(unit), "u", 4, &out) }
            }
        case .python(isBytes: false), .pythonRaw(isBytes: false, _, _):
            for scalar in text.unicodeScalars {
                switch scalar.value {
                case ..<0x100: Self.append(Int(scalar.value), "x", 2, &out)
                case ..<0x10000: Self.append(Int(scalar.value), "u", 4, &out)
                default: Self.append(Int(scalar.value), "U", 8, &out)
                }
            }
        }
        return out
    }

    /// A whole literal around escapes, for one that is not in place.
    func literal(_ body: [UInt8]) -> [UInt8] {
        guard case .pythonRaw(_, let prefix, let quote) = self else {
            return [UInt8(ascii: "\"")] + body + [UInt8(ascii: "\"")]
        }
        return Array((prefix + quote).utf8) + body + Array(quote.utf8)
    }

    /// The author's part of such a literal, written anew. Its lines stay lines.
    func rewritten(_ content: String) -> [UInt8] {
        let lines = meaning(of: content).split(separator: "\n", omittingEmptySubsequences: false)
        return Array(lines.map { escaped(String($0)) }.joined(separator: [0x0A]))
    }

    /// What the written content of a literal that is not in place means.
    private func meaning(of content: String) -> String {
        guard case .phpSingle = self else { return content }
        var out = ""
        var isEscape = false
        for character in content.unicodeScalars {
            if isEscape {
                if character != "'", character != "\\" { out.unicodeScalars.append("\\") }
                out.unicodeScalars.append(character)
                isEscape = false
            } else if character == "\\" {
                isEscape = true
            } else {
                out.unicodeScalars.append(character)
            }
        }
        if isEscape { out += "\\" }
        return out
    }

    private static func append(_ value: Int, _ letter: Character, _ width: Int, _ out: inout [UInt8]) {
        let digits = String(value, radix: 16)
        out.append(UInt8(ascii: "\\"))
        out.append(letter.asciiValue ?? UInt8(ascii: "x"))
        out.append(contentsOf: Array(repeating: UInt8(ascii: "0"), count: max(0, width - digits.utf8.count)))
        out.append(contentsOf: digits.utf8)
    }
}
