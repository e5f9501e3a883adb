/// The public id of a job: a UUID of version 7 (RFC 9562 §5.7), made by the ingress that accepts it.
///
/// Its timestamp tells which partitions may hold the job; nothing is ordered by it.
public struct JobID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The 16 bytes in network order.
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A fresh id.
    /// - Parameter milliseconds: since 1970-01-01T00:00:00Z; 48 bits count.
    public init(milliseconds: UInt64) {
        var random = SystemRandomNumberGenerator()
        high = milliseconds << 16 | 0x7000 | random.next() & 0x0FFF
        low = 0x8000_0000_0000_0000 | random.next() >> 2
    }

    /// Reads the usual form of 36 characters. Nil for another form or another version.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 36 else { return nil }
        var value: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for (index, byte) in bytes.enumerated() {
            if [8, 13, 18, 23].contains(index) {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
            if digits < 16 { value.0 = value.0 << 4 | UInt64(digit) } else { value.1 = value.1 << 4 | UInt64(digit) }
            digits += 1
        }
        guard value.0 >> 12 & 0xF == 7, value.1 >> 62 == 2 else { return nil }
        (high, low) = value
    }

    /// Milliseconds since 1970-01-01T00:00:00Z by the clock of the ingress that made the id.
    public var milliseconds: UInt64 { high >> 16 }

    /// The 16 bytes in network order.
    public var bytes: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
            + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
    }

    /// Reads 16 bytes in network order; nil for another count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    public static func < (a: JobID, b: JobID) -> Bool { (a.high, a.low) < (b.high, b.low) }

    public var description: String {
        let hex = Array("0123456789abcdef".utf8)
        var out: [UInt8] = []
        out.reserveCapacity(36)
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { out.append(UInt8(ascii: "-")) }
            out.append(hex[Int(byte >> 4)])
            out.append(hex[Int(byte & 15)])
        }
        return String(decoding: out, as: UTF8.self)
    }
}
