/// A packet's fields in the machine's byte order, after a byte that says its kind.
struct Packet {
    private(set) var bytes: [UInt8]
    private var position = 1

    init(_ kind: Unicode.Scalar) { bytes = [UInt8(ascii: kind)] }
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var kind: UInt8? { bytes.first }

    mutating func append(_ word: some FixedWidthInteger) { withUnsafeBytes(of: word) { bytes.append(contentsOf: $0) } }

    /// A text with a NUL behind it.
    mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    /// A text in `size` bytes, cut and filled with NUL.
    mutating func append(_ text: String, size: Int) {
        bytes.append(contentsOf: text.utf8.prefix(size - 1))
        bytes.append(contentsOf: repeatElement(0, count: size - min(text.utf8.count, size - 1)))
    }

    mutating func take<Word: FixedWidthInteger>(_: Word.Type = Word.self) -> Word? {
        let size = MemoryLayout<Word>.size
        guard position + size <= bytes.count else { return nil }
        defer { position += size }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Word.self) }
    }
}
