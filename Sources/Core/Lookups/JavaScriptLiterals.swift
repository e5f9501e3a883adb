/// The string literals of JavaScript: quoted ones, and the texts of templates that no function reads.
enum JavaScriptLiterals {
    /// After these a value begins: a slash is a regular expression, a backtick is no tag's.
    private static let operators: Set<String> = [
        "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "await", "yield", "else", "do",
        "instanceof",
    ]

    static func texts(_ bytes: [UInt8]) -> [LiteralText] {
        var scan = SourceScan(bytes)
        /// For each template that code stands in: how many braces are open in that code.
        var templates: [Int] = []
        var beginsValue = true
        /// Where the line ends in which a slash was no regular expression's.
        var noExpressionBefore = 0
        while !scan.isAtEnd {
            let byte = scan.byte()
            switch byte {
            case UInt8(ascii: " "), 0x09, 0x0A, 0x0D: scan.index += 1
            case UInt8(ascii: "/") where scan.byte(1) == UInt8(ascii: "/"): scan.skip(to: 0x0A)
            case UInt8(ascii: "/") where scan.byte(1) == UInt8(ascii: "*"):
                scan.index += 2
                scan.skip(past: "*/")
            case UInt8(ascii: "/"):
                if beginsValue, scan.index >= noExpressionBefore {
                    let start = scan.index
                    if expression(&scan) {
                        beginsValue = false
                        continue
                    }
                    noExpressionBefore = scan.index
                    scan.index = start
                }
                scan.index += 1
                beginsValue = true
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                quoted(&scan, byte)
                beginsValue = false
            case UInt8(ascii: "`"):
                scan.index += 1
                if template(&scan, isRead: beginsValue) { templates.append(0) }
                // The text goes on behind the code in it, whose first token begins a value.
                beginsValue = scan.byte(-1) == UInt8(ascii: "{")
            case UInt8(ascii: "{"):
                if let last = templates.indices.last { templates[last] += 1 }
                scan.index += 1
                beginsValue = true
            case UInt8(ascii: "}"):
                scan.index += 1
                beginsValue = true
                guard let last = templates.indices.last else { continue }
                if templates[last] > 0 {
                    templates[last] -= 1
                } else if !template(&scan, isRead: true) {
                    templates.removeLast()
                    beginsValue = false
                }
            case UInt8(ascii: ")"), UInt8(ascii: "]"):
                scan.index += 1
                beginsValue = false
            case _ where SourceScan.isWord(byte) || byte == UInt8(ascii: "$"):
                var range = scan.word()
                while scan.byte() == UInt8(ascii: "$") {
                    scan.index += 1
                    range = range.lowerBound..<scan.word().upperBound
                }
                beginsValue = operators.contains(String(decoding: bytes[range], as: UTF8.self))
            default:
                scan.index += 1
                beginsValue = true
            }
        }
        return scan.texts
    }

    private static func quoted(_ scan: inout SourceScan, _ quote: UInt8) {
        let start = scan.index
        scan.index += 1
        while !scan.isAtEnd, scan.byte() != quote, scan.byte() != 0x0A {
            scan.index += scan.byte() == UInt8(ascii: "\\") ? 2 : 1
        }
        guard scan.byte() == quote, !scan.isAtEnd else { return }
        scan.note((start + 1)..<scan.index, in: start..<(scan.index + 1), .javaScript)
        scan.index += 1
    }

    /// Reads a template's text up to its end or to code in it; whether code follows.
    /// - Parameter isRead: false for one that a tag gets, which sees the escapes themselves.
    private static func template(_ scan: inout SourceScan, isRead: Bool) -> Bool {
        let start = scan.index
        while !scan.isAtEnd, scan.byte() != UInt8(ascii: "`"), !scan.starts(with: "${") {
            scan.index += scan.byte() == UInt8(ascii: "\\") ? 2 : 1
        }
        let end = min(scan.index, scan.bytes.count)
        if isRead { scan.note(start..<end, in: start..<end, .javaScript) }
        let hasCode = scan.starts(with: "${")
        scan.index += hasCode ? 2 : 1
        return hasCode
    }

    /// Reads a regular expression with its flags; false, at the end of the line, where it is none.
    private static func expression(_ scan: inout SourceScan) -> Bool {
        scan.index += 1
        var isInClass = false
        while !scan.isAtEnd, scan.byte() != 0x0A {
            switch scan.byte() {
            case UInt8(ascii: "\\"): scan.index += 1
            case UInt8(ascii: "["): isInClass = true
            case UInt8(ascii: "]"): isInClass = false
            case UInt8(ascii: "/") where !isInClass:
                scan.index += 1
                _ = scan.word()
                return true
            default: break
            }
            scan.index += 1
        }
        return false
    }
}
