import Glibc

/// An IPv4 or IPv6 address, as bytes in network order. A zone does not count.
public struct IPAddress: Sendable, Hashable {
    /// Four or sixteen.
    let bytes: [UInt8]

    /// The leading bytes; those that are missing are nought.
    init(v4 start: [UInt8]) { bytes = Array((start + [0, 0, 0, 0]).prefix(4)) }

    /// The leading bytes; those that are missing are nought.
    init(v6 start: [UInt8]) { bytes = Array((start + [UInt8](repeating: 0, count: 16)).prefix(16)) }

    /// Four or sixteen bytes; nil for any other number.
    init?(network bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Nil for what is not the usual form of an address: `192.0.2.1`, `2001:db8::1`.
    public init?(_ text: String) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            bytes = withUnsafeBytes(of: v4) { Array($0) }
        } else if inet_pton(AF_INET6, text, &v6) == 1 {
            bytes = withUnsafeBytes(of: v6) { Array($0) }
        } else {
            return nil
        }
    }

    var isIPv4: Bool { bytes.count == 4 }

    /// The IPv4 address that the system dials for `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).
    var mappedIPv4: IPAddress? {
        guard bytes.count == 16, bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff
        else { return nil }
        return IPAddress(v4: Array(bytes.suffix(4)))
    }
}

/// All addresses that begin with the same bits.
public struct IPNetwork: Sendable, Hashable {
    let address: IPAddress
    let prefix: Int

    init(_ address: IPAddress, prefix: Int) {
        self.address = address
        self.prefix = prefix
    }

    /// `10.0.0.0/8`, `fd00::/8`, or an address alone. Nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        let width = address.bytes.count * 8
        guard parts.count == 2 else {
            self.init(address, prefix: width)
            return
        }
        guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let prefix = Int(parts[1]), prefix <= width
        else { return nil }
        self.init(address, prefix: prefix)
    }

    public func contains(_ other: IPAddress) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        return zip(address.bytes, other.bytes).enumerated().allSatisfy { index, pair in
            let bits = min(max(prefix - index * 8, 0), 8)
            let mask = UInt8(truncatingIfNeeded: 0xff00 >> bits)
            return pair.0 & mask == pair.1 & mask
        }
    }
}
