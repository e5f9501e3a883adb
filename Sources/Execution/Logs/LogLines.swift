import Glibc

/// Cuts a stream of bytes into lines of text.
struct LogLines {
    /// A longer line is delivered in pieces of this many bytes.
    static let longest = 8192

    /// What has come of a line that is not whole yet.
    private var line: [UInt8] = []

    /// Adds bytes; delivers every line that became whole.
    mutating func add(_ bytes: UnsafeRawBufferPointer, _ deliver: (String) -> Void) {
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            let newline = memchr(start, Int32(UInt8(ascii: "\n")), rest.count)
            let length = newline.map { start.distance(to: $0) } ?? rest.count
            if newline != nil, line.isEmpty, length <= Self.longest {
                // The usual case: nothing is copied but the text.
                deliver(Self.text(of: UnsafeRawBufferPointer(rebasing: rest[..<length])))
                rest = UnsafeRawBufferPointer(rebasing: rest[(length + 1)...])
            } else if length == 0 {
                take(line.count, deliver)
                rest = UnsafeRawBufferPointer(rebasing: rest[1...])
            } else {
                if line.count == Self.longest { take(Self.lastBoundary(line), deliver) }
                let piece = min(length, Self.longest - line.count)
                line.append(contentsOf: rest[..<piece])
                rest = UnsafeRawBufferPointer(rebasing: rest[piece...])
            }
        }
    }

    /// Delivers what is left at the stream's end.
    mutating func end(_ deliver: (String) -> Void) {
        if !line.isEmpty { take(line.count, deliver) }
    }

    /// Forgets what has come of the unfinished line.
    mutating func drop() {
        line = []
    }

    private mutating func take(_ count: Int, _ deliver: (String) -> Void) {
        deliver(line.withUnsafeBytes { Self.text(of: UnsafeRawBufferPointer(rebasing: $0[..<count])) })
        line.removeFirst(count)
    }

    private static func text(of line: UnsafeRawBufferPointer) -> String {
        var line = line
        if line.last == UInt8(ascii: "\r") { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
        guard let start = line.baseAddress, memchr(start, 0, line.count) != nil else {
            return String(decoding: line, as: UTF8.self)
        }
        return String(decoding: line.filter { $0 != 0 }, as: UTF8.self)
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
