extension JSONText {
    /// Larger texts are compared as texts: what is compared value by value is read once for each level of its depth.
    private static let mostCompared = 1 << 20

    /// Whether a script that was given this and handed back `other` has changed nothing: languages reorder keys, write
    /// numbers in their own way, and some do not tell an empty list from an empty object, or from nothing.
    public func isLike(_ other: JSONText) -> Bool {
        if text == other.text { return true }
        guard text.utf8.count <= Self.mostCompared, other.text.utf8.count <= Self.mostCompared else { return false }
        if isBlank, other.isBlank { return true }
        guard kind == other.kind else { return false }
        switch kind {
        case .null: return true
        case .bool: return bool == other.bool
        case .number: return double == other.double
        case .string: return string == other.string
        case .array:
            let (mine, theirs) = (elements, other.elements)
            return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.isLike($1) }
        case .object:
            let mine = Dictionary(members, uniquingKeysWith: { $1 })
            let theirs = Dictionary(other.members, uniquingKeysWith: { $1 })
            return mine.count == theirs.count
                && mine.allSatisfy { member in theirs[member.key].map { member.value.isLike($0) } ?? false }
        }
    }

    /// Null, false, an empty list or an empty object.
    private var isBlank: Bool {
        switch kind {
        case .null: true
        case .bool: bool == false
        case .array: elements.isEmpty
        case .object: members.isEmpty
        case .number, .string: false
        }
    }

    /// Empty in PHP's sense: null, false, 0, "", "0", [] and {} (dreamfactory.md §2.1).
    public var isEmptyForPHP: Bool {
        switch kind {
        case .number: double == 0
        case .string: text == "\"\"" || text == "\"0\""
        case .null, .bool, .array, .object: isBlank
        }
    }
}
