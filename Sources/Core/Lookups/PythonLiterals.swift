/// The string literals of Python. Formatted ones are left out: what stands between their braces is code.
enum PythonLiterals {
    /// - Parameter isTwo: whether it is Python 2, where a string without a prefix has bytes.
    static func texts(_ bytes: [UInt8], isTwo: Bool) -> [LiteralText] {
        var scan = SourceScan(bytes)
        while !scan.isAtEnd {
            let byte = scan.byte()
            switch byte {
            case UInt8(ascii: "#"): scan.skip(to: 0x0A)
            case UInt8(ascii: "'"), UInt8(ascii: "\""): literal(&scan, prefix: scan.index..<scan.index, isTwo)
            case _ where SourceScan.isWord(byte):
                let word = scan.word()
                if scan.byte() == UInt8(ascii: "'") || scan.byte() == UInt8(ascii: "\"") {
                    literal(&scan, prefix: word, isTwo)
                }
            default: scan.index += 1
            }
        }
        return scan.texts
    }

    private static func literal(_ scan: inout SourceScan, prefix: Range<Int>, _ isTwo: Bool) {
        let letters = String(decoding: scan.bytes[prefix], as: UTF8.self).lowercased()
        let quote = scan.byte()
        let isTriple = scan.byte(1) == quote && scan.byte(2) == quote
        let width = isTriple ? 3 : 1
        scan.index += width
        let start = scan.index
        while !scan.isAtEnd {
            if scan.byte() == UInt8(ascii: "\\") {
                scan.index += 2
                continue
            }
            if scan.byte() == quote, !isTriple || scan.byte(1) == quote && scan.byte(2) == quote { break }
            if scan.byte() == 0x0A, !isTriple { return }
            scan.index += 1
        }
        guard !scan.isAtEnd else { return }
        let content = start..<scan.index
        scan.index += width
        let isBytes = letters.contains("b") || isTwo && !letters.contains("u")
        guard letters.allSatisfy({ "rbu".contains($0) }) else { return }
        let whole = prefix.lowerBound..<scan.index
        guard letters.contains("r") else {
            return scan.note(content, in: whole, .python(isBytes: isBytes))
        }
        // A raw one whose line goes on can not be written otherwise without a change of lines.
        guard isTriple || !scan.bytes[content].contains(0x0A) else { return }
        let mark = String(repeating: quote == UInt8(ascii: "'") ? "'" : "\"", count: width)
        let kept = letters.filter { $0 != "r" }
        scan.note(content, in: whole, .pythonRaw(isBytes: isBytes, prefix: kept, quote: mark))
    }
}
