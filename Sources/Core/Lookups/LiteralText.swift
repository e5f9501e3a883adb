/// A piece of text inside a string literal of a script.
struct LiteralText {
    /// How a text is written so that it is this text and nothing else.
    enum Writing: Sendable, Hashable {
        /// `\xHH` and `\uHHHH`, in the place of the placeholder.
        case javaScript
        /// `\xHH` for each byte, in the place of the placeholder.
        case php
        /// `\xHH`, `\uHHHH` and `\UHHHHHHHH`, in the place of the placeholder; a byte string has bytes.
        case python(isBytes: Bool)
        /// A literal that knows no such escapes: as a whole it becomes one that does.
        case phpSingle
        case pythonRaw(isBytes: Bool, prefix: String, quote: String)
    }

    /// What the text stands in, with quotes and prefix.
    let literal: Range<Int>
    let content: Range<Int>
    let writing: Writing
}

/// A scan over the bytes of a script, from its start to its end.
///
/// It looks for string literals, and nothing depends on its judgement but whether a placeholder is replaced: the escapes that
/// stand for a value are no code in any place, so a script that is read wrongly does not run what is in a value.
struct SourceScan {
    let bytes: [UInt8]
    var index = 0
    private(set) var texts: [LiteralText] = []

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { index >= bytes.count }

    func byte(_ offset: Int = 0) -> UInt8 {
        let place = index + offset
        return place >= 0 && place < bytes.count ? bytes[place] : 0
    }

    func starts(with text: StaticString, at place: Int? = nil) -> Bool {
        let place = place ?? index
        guard place + text.utf8CodeUnitCount <= bytes.count else { return false }
        return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[place + $0] == text.utf8Start[$0] }
    }

    mutating func skip(to end: UInt8) {
        while !isAtEnd, byte() != end { index += 1 }
    }

    mutating func skip(past end: StaticString) {
        while !isAtEnd, !starts(with: end) { index += 1 }
        index = min(bytes.count, index + end.utf8CodeUnitCount)
    }

    /// Reads letters, digits, underscores and what is not ASCII.
    mutating func word() -> Range<Int> {
        let start = index
        while !isAtEnd, Self.isWord(byte()) { index += 1 }
        return start..<index
    }

    static func isWord(_ byte: UInt8) -> Bool { Lookup.isWord(byte) || byte >= 0x80 }

    mutating func note(_ content: Range<Int>, in literal: Range<Int>, _ writing: LiteralText.Writing) {
        guard !content.isEmpty else { return }
        texts.append(LiteralText(literal: literal, content: content, writing: writing))
    }
}
