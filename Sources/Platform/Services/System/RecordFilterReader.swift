import Core

/// Reads a filter from its start to its end, a word at a time.
struct RecordFilterReader {
    private let text: String
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) {
        self.text = text
        bytes = Array(text.utf8)
    }

    var isAtEnd: Bool { rest.allSatisfy(Self.isSpace) }

    var refusal: ServiceError {
        .badRequest(
            "The filter '\(text.prefix(200))' is not understood. Use comparisons such as name=value, id in (1,2) or"
                + " label like '%x%', joined by 'and' and 'or'.")
    }

    private var rest: ArraySlice<UInt8> { bytes[position...] }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func isName(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private mutating func skipSpace() {
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    }

    /// Takes a sign if it comes next.
    mutating func take(_ sign: String) -> Bool {
        skipSpace()
        guard rest.starts(with: sign.utf8) else { return false }
        position += sign.utf8.count
        return true
    }

    /// Takes a word in any case if it comes next.
    mutating func take(word: String) -> Bool {
        skipSpace()
        guard isNext(word, at: position) else { return false }
        position += word.utf8.count
        return true
    }

    /// Whether a whole word stands there.
    private func isNext(_ word: String, at start: Int) -> Bool {
        let end = start + word.utf8.count
        guard end <= bytes.count, end == bytes.count || !Self.isName(bytes[end]) else { return false }
        return bytes[start..<end].elementsEqual(word.utf8) { ($0 | 0x20) == $1 }
    }

    /// `field operator value`
    mutating func comparison() throws(ServiceError) -> RecordComparison {
        skipSpace()
        let start = position
        while position < bytes.count, Self.isName(bytes[position]) { position += 1 }
        guard position > start else { throw refusal }
        let field = String(decoding: bytes[start..<position], as: UTF8.self)
        if take(word: "is") {
            let isNot = take(word: "not")
            guard take(word: "null") else { throw refusal }
            return RecordComparison(field: field, test: .isNull, isNegated: isNot)
        }
        let isNot = take(word: "not")
        if take(word: "in") { return RecordComparison(field: field, test: .isOne(try list()), isNegated: isNot) }
        var test = try wordTest()
        if test == nil, !isNot { test = try signTest() }
        guard let test else { throw refusal }
        return RecordComparison(field: field, test: test.0, isNegated: isNot != test.isNegated)
    }

    private mutating func wordTest() throws(ServiceError) -> (RecordComparison.Test, isNegated: Bool)? {
        if take(word: "like") {
            let pattern = try value()
            guard pattern.utf8.count <= RecordComparison.longestPattern else {
                throw .badRequest("A pattern may have \(RecordComparison.longestPattern) bytes at most.")
            }
            return (.like(pattern), false)
        }
        if take(word: "contains") { return (.contains(try value()), false) }
        if take(word: "starts") {
            guard take(word: "with") else { throw refusal }
            return (.starts(try value()), false)
        }
        if take(word: "ends") {
            guard take(word: "with") else { throw refusal }
            return (.ends(try value()), false)
        }
        return nil
    }

    private mutating func signTest() throws(ServiceError) -> (RecordComparison.Test, isNegated: Bool)? {
        // The longer signs and words first, where one begins with another.
        if take("<=") || take(word: "lte") { return (.most(try value()), false) }
        if take(">=") || take(word: "gte") { return (.least(try value()), false) }
        if take("!=") || take("<>") || take(word: "ne") { return (.equal(try value()), true) }
        if take("=") || take(word: "eq") {
            _ = take("=")
            return (.equal(try value()), false)
        }
        if take("<") || take(word: "lt") { return (.least(try value()), true) }
        if take(">") || take(word: "gt") { return (.most(try value()), true) }
        return nil
    }

    /// `(1, 'b')`
    private mutating func list() throws(ServiceError) -> [String] {
        guard take("(") else { throw refusal }
        var values: [String] = []
        repeat { values.append(try value(inList: true)) } while take(",")
        guard take(")") else { throw refusal }
        return values
    }

    /// A value in quotes, which stand twice for themselves; else all up to the next `and`, `or` or closing parenthesis.
    private mutating func value(inList: Bool = false) throws(ServiceError) -> String {
        skipSpace()
        guard let first = rest.first else { throw refusal }
        var out: [UInt8] = []
        guard first != UInt8(ascii: "'"), first != UInt8(ascii: "\"") else {
            position += 1
            while position < bytes.count {
                if bytes[position] == first {
                    position += 1
                    guard rest.first == first else { return String(decoding: out, as: UTF8.self) }
                }
                out.append(bytes[position])
                position += 1
            }
            throw refusal
        }
        var open = 0
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "(") { open += 1 }
            if byte == UInt8(ascii: ")") {
                if open == 0 { break }
                open -= 1
            }
            if inList, byte == UInt8(ascii: ",") { break }
            let isWordStart = position > 0 && Self.isSpace(bytes[position - 1])
            if isWordStart, isNext("and", at: position) || isNext("or", at: position) { break }
            out.append(byte)
            position += 1
        }
        while let last = out.last, Self.isSpace(last) { out.removeLast() }
        guard !out.isEmpty else { throw refusal }
        return String(decoding: out, as: UTF8.self)
    }
}
