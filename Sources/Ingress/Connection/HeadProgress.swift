/// What has come of a request's head before it is whole: enough to say what is wrong with it.
struct HeadProgress: Sendable, Equatable {
    private var start: [UInt8] = []
    /// Whether the first line is complete.
    private(set) var hasRequestLine = false

    /// How much of the first line is remembered, in bytes.
    private static let longest = 32

    /// Empty lines in front of a request do not count (RFC 9112 §2.2).
    var isBegun: Bool { !start.isEmpty }

    mutating func add(_ bytes: some Sequence<UInt8>) {
        guard !hasRequestLine else { return }
        for byte in bytes {
            let isLineEnd = byte == UInt8(ascii: "\n")
            if start.isEmpty, isLineEnd || byte == UInt8(ascii: "\r") { continue }
            if isLineEnd {
                hasRequestLine = true
                return
            }
            if start.count < Self.longest { start.append(byte) }
        }
    }

    /// The first word, where it looks like a method.
    var method: String? {
        guard let end = start.firstIndex(of: UInt8(ascii: " ")), (1...20).contains(end) else { return nil }
        let word = start[..<end]
        let letters = UInt8(ascii: "A")...UInt8(ascii: "Z")
        guard word.allSatisfy({ letters.contains($0) || $0 == UInt8(ascii: "-") }) else { return nil }
        return String(decoding: word, as: UTF8.self)
    }
}
