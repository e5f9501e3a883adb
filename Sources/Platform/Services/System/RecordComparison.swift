import Core

/// One comparison of a filter.
struct RecordComparison {
    enum Test {
        case equal(String), least(String), most(String), isOne([String]), isNull
        case like(String), contains(String), starts(String), ends(String)
    }

    let field: String
    let test: Test
    let isNegated: Bool

    /// Bounds what a pattern of many wildcards can cost, together with ``longestText``.
    static let longestPattern = 100
    /// How much of a longer text a comparison sees: a script or a document is not read for each comparison with each record.
    private static let longestText = 1000

    func holds(for value: JSONText) -> Bool {
        switch test {
        case .isNull: value.isNull != isNegated
        // Nothing is known of a value that is not there, neither what it is nor what it is not.
        case _ where value.isNull: Self.isNullWord(test) && !isNegated
        default: matches(value) != isNegated
        }
    }

    private static func isNullWord(_ test: Test) -> Bool {
        if case .equal(let other) = test { other.lowercased() == "null" } else { false }
    }

    private func matches(_ value: JSONText) -> Bool {
        switch test {
        case .isNull: false
        case .equal(let other): Self.isEqual(value, other)
        case .isOne(let others): others.contains { Self.isEqual(value, $0) }
        case .least(let other): !Self.isLess(value, other)
        case .most(let other): Self.isEqual(value, other) || Self.isLess(value, other)
        case .like(let pattern):
            Self.isLike(Array(Self.text(value).lowercased().unicodeScalars), Array(pattern.lowercased().unicodeScalars))
        case .contains(let part): Self.text(value).lowercased().contains(part.lowercased())
        case .starts(let part): Self.text(value).lowercased().hasPrefix(part.lowercased())
        case .ends(let part): Self.text(value).lowercased().hasSuffix(part.lowercased())
        }
    }

    /// The value as a text, as far as comparisons look at it.
    static func text(_ value: JSONText) -> String {
        // An escape takes six bytes at most, and what it stands for one at least.
        guard value.text.utf8.count > longestText * 6 else {
            return String((value.string ?? value.text).prefix(longestText))
        }
        return String(
            decoding: value.text.utf8.dropFirst(value.kind == .string ? 1 : 0).prefix(longestText), as: UTF8.self)
    }

    /// Numbers compare as numbers, true and false as 1 and 0 too.
    private static func isEqual(_ value: JSONText, _ other: String) -> Bool {
        if text(value) == other { return true }
        if let bool = value.bool { return (bool ? ["true", "1"] : ["false", "0"]).contains(other.lowercased()) }
        guard let a = value.double, let b = Double(other) else { return false }
        return a == b
    }

    private static func isLess(_ value: JSONText, _ other: String) -> Bool {
        if let a = value.double, let b = Double(other) { return a < b }
        return text(value).lowercased() < other.lowercased()
    }

    /// SQL's `%` and `_`.
    private static func isLike(_ text: [Unicode.Scalar], _ pattern: [Unicode.Scalar]) -> Bool {
        var place = 0
        var next = 0
        // Where the last `%` stands, and how much of the text it has taken.
        var wild: (next: Int, place: Int)?
        while place < text.count {
            if next < pattern.count, pattern[next] == "%" {
                next += 1
                wild = (next, place)
            } else if next < pattern.count, pattern[next] == "_" || pattern[next] == text[place] {
                next += 1
                place += 1
            } else if let last = wild {
                next = last.next
                place = last.place + 1
                wild = (last.next, place)
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == "%" }
    }
}
