/// Cuts a stream of bytes into lines of text.
struct LogLines {
    /// A longer line is delivered in pieces of this many bytes.
    static let longest = 8192

    private var line: [UInt8] = []

    /// Adds bytes; delivers every line that became whole.
    mutating func add(_ bytes: UnsafeRawBufferPointer, _ deliver: (String) -> Void) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if rest.first == UInt8(ascii: "\n") {
                rest = rest.dropFirst()
                take(line.count, deliver)
                continue
            }
            if line.count == Self.longest { take(Self.lastBoundary(line), deliver) }
            let piece = rest.prefix(Self.longest - line.count).prefix { $0 != UInt8(ascii: "\n") }
            line.append(contentsOf: piece)
            rest = rest.dropFirst(piece.count)
        }
    }

    /// Delivers what is left at the stream's end.
    mutating func end(_ deliver: (String) -> Void) {
        if !line.isEmpty { take(line.count, deliver) }
    }

    private mutating func take(_ count: Int, _ deliver: (String) -> Void) {
        var text = line.prefix(count)
        if text.last == UInt8(ascii: "\r") { text.removeLast() }
        deliver(String(decoding: text.filter { $0 != 0 }, as: UTF8.self))
        line.removeFirst(count)
    }

    /// Where a full line can be cut without cutting a character.
    private static func lastBoundary(_ line: [UInt8]) -> Int {
        for present in 1...3 {
            let byte = line[line.count - present]
            guard byte & 0xC0 != 0x80 else { continue }
            let needed = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
            return present < needed ? line.count - present : line.count
        }
        return line.count
    }
}
