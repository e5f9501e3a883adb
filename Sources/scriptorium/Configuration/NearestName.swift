/// The known name that was probably meant by an unknown one.
enum NearestName {
    /// - Returns: nil where none is near.
    static func of(_ name: String, among known: some Sequence<String>) -> String? {
        let near = known.map { (name: $0, distance: distance(Array(name.utf8), Array($0.utf8))) }
            .min { $0.distance < $1.distance }
        guard let near, near.distance <= max(2, near.name.utf8.count / 3) else { return nil }
        return near.name
    }

    /// How many bytes must be put in, taken away or replaced (Levenshtein).
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, byte) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in b.enumerated() {
                let replaced = diagonal + (byte == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
            }
        }
        return row[b.count]
    }
}
