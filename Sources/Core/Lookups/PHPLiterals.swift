/// The string literals of PHP: single and double quotes and heredocs. Nowdocs and shell commands are left out.
enum PHPLiterals {
    static func texts(_ bytes: [UInt8]) -> [LiteralText] {
        var scan = SourceScan(bytes)
        while !scan.isAtEnd {
            let byte = scan.byte()
            switch byte {
            case UInt8(ascii: "#") where scan.byte(1) == UInt8(ascii: "["): scan.index += 1
            case UInt8(ascii: "#"): comment(&scan)
            case UInt8(ascii: "/") where scan.byte(1) == UInt8(ascii: "/"): comment(&scan)
            case UInt8(ascii: "/") where scan.byte(1) == UInt8(ascii: "*"):
                scan.index += 2
                scan.skip(past: "*/")
            case UInt8(ascii: "?") where scan.byte(1) == UInt8(ascii: ">"): page(&scan)
            case UInt8(ascii: "'"): single(&scan)
            case UInt8(ascii: "\""): double(&scan, end: byte, isRead: true)
            case UInt8(ascii: "`"): double(&scan, end: byte, isRead: false)
            case UInt8(ascii: "<") where scan.starts(with: "<<<"): document(&scan)
            default: scan.index += 1
            }
        }
        return scan.texts
    }

    /// Up to the end of the line, or of the code.
    private static func comment(_ scan: inout SourceScan) {
        while !scan.isAtEnd, scan.byte() != 0x0A, !scan.starts(with: "?>") { scan.index += 1 }
    }

    /// Text outside of the code.
    private static func page(_ scan: inout SourceScan) {
        while !scan.isAtEnd, !scan.starts(with: "<?") { scan.index += 1 }
    }

    private static func single(_ scan: inout SourceScan) {
        let start = scan.index
        scan.index += 1
        while !scan.isAtEnd, scan.byte() != UInt8(ascii: "'") {
            scan.index += scan.byte() == UInt8(ascii: "\\") ? 2 : 1
        }
        guard !scan.isAtEnd else { return }
        scan.note((start + 1)..<scan.index, in: start..<(scan.index + 1), .phpSingle)
        scan.index += 1
    }

    private static func double(_ scan: inout SourceScan, end: UInt8, isRead: Bool) {
        scan.index += 1
        var start = scan.index
        while !scan.isAtEnd, scan.byte() != end {
            if scan.byte() == UInt8(ascii: "\\") {
                scan.index += 2
            } else if code(at: scan) {
                if isRead { scan.note(start..<scan.index, in: start..<scan.index, .php) }
                skipCode(&scan)
                start = scan.index
            } else {
                scan.index += 1
            }
        }
        guard !scan.isAtEnd else { return }
        if isRead { scan.note(start..<scan.index, in: start..<scan.index, .php) }
        scan.index += 1
    }

    /// Whether a variable's name or an expression in braces begins in a text.
    private static func code(at scan: SourceScan) -> Bool { scan.starts(with: "{$") || scan.starts(with: "${") }

    /// Past the brace that ends the code, and the texts in it.
    private static func skipCode(_ scan: inout SourceScan) {
        var open = 0
        while !scan.isAtEnd {
            let byte = scan.byte()
            switch byte {
            case UInt8(ascii: "{"): open += 1
            case UInt8(ascii: "}"):
                open -= 1
                if open == 0 {
                    scan.index += 1
                    return
                }
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                scan.index += 1
                while !scan.isAtEnd, scan.byte() != byte {
                    scan.index += scan.byte() == UInt8(ascii: "\\") ? 2 : 1
                }
            default: break
            }
            scan.index += 1
        }
    }

    /// A heredoc, or a nowdoc, up to the line that ends it.
    private static func document(_ scan: inout SourceScan) {
        scan.index += 3
        while scan.byte() == UInt8(ascii: " ") || scan.byte() == 0x09 { scan.index += 1 }
        let quote = scan.byte()
        let isQuoted = quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"")
        if isQuoted { scan.index += 1 }
        let range = scan.word()
        guard !range.isEmpty else { return }
        let mark = scan.bytes[range]
        scan.skip(to: 0x0A)
        scan.index += 1
        var start = scan.index
        var isLineStart = true
        let isRead = quote != UInt8(ascii: "'")
        while !scan.isAtEnd {
            if isLineStart {
                var place = scan.index
                while place < scan.bytes.count, scan.bytes[place] == UInt8(ascii: " ") || scan.bytes[place] == 0x09 {
                    place += 1
                }
                let end = place + mark.count
                if end <= scan.bytes.count, scan.bytes[place..<end] == mark,
                    end == scan.bytes.count || !SourceScan.isWord(scan.bytes[end])
                {
                    if isRead { scan.note(start..<scan.index, in: start..<scan.index, .php) }
                    scan.index = end
                    return
                }
            }
            isLineStart = scan.byte() == 0x0A
            if isRead, scan.byte() == UInt8(ascii: "\\") {
                scan.index += 2
                isLineStart = scan.byte(-1) == 0x0A
            } else if isRead, code(at: scan) {
                scan.note(start..<scan.index, in: start..<scan.index, .php)
                skipCode(&scan)
                start = scan.index
            } else {
                scan.index += 1
            }
        }
    }
}
