/// How much of a script's output is kept.
struct LogBudget {
    /// Whether anything was dropped.
    private(set) var isCut = false
    private var left: Int

    /// What a line costs beside its text: many empty ones are many all the same.
    private static let perLine = 16

    /// - Parameter bytes: of text, and some for each line.
    init(bytes: Int) {
        left = bytes
    }

    /// What of `line` is kept; nil where nothing is.
    mutating func keep(_ line: String) -> String? {
        guard !isCut else { return nil }
        let size = line.utf8.count + Self.perLine
        if size <= left {
            left -= size
            return line
        }
        isCut = true
        var kept = Substring(line)
        if let end = line.utf8.index(line.startIndex, offsetBy: max(0, left - Self.perLine), limitedBy: line.endIndex) {
            kept = line[..<(end.samePosition(in: line.unicodeScalars) ?? line.unicodeScalars.index(before: end))]
        }
        return kept.isEmpty ? nil : String(kept)
    }
}
