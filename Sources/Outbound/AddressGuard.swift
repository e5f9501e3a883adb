/// Which addresses a call that a tenant causes may be dialled at: public ones, and those of networks that are allowed
/// besides.
///
/// It judges addresses as they are dialled, not as they are written: what a URL says (decimal, octal, a name that moves)
/// has become one of these by then.
public struct AddressGuard: Sendable {
    /// Networks that may be reached although they are not public.
    public let allowed: [IPNetwork]

    public init(allowing allowed: [IPNetwork] = []) { self.allowed = allowed }

    /// An IPv4 address mapped into IPv6 counts as what it leads to.
    public func permits(_ address: IPAddress) -> Bool {
        if allowed.contains(where: { $0.contains(address) }) { return true }
        if let inner = address.mappedIPv4 { return permits(inner) }
        return !Self.special.contains { $0.contains(address) } && (address.isIPv4 || Self.global.contains(address))
    }

    /// What the IPv6 registry has given out for the whole Internet; all else is refused.
    private static let global = IPNetwork(IPAddress(v6: [0x20]), prefix: 3)

    /// IANA's special-purpose registries (RFC 6890 and its updates), and what carries an IPv4 address inside.
    private static let special: [IPNetwork] =
        [
            ([0], 8), ([10], 8), ([100, 64], 10), ([127], 8), ([169, 254], 16), ([172, 16], 12), ([192, 0, 0], 24),
            ([192, 0, 2], 24), ([192, 31, 196], 24), ([192, 52, 193], 24), ([192, 88, 99], 24), ([192, 168], 16),
            ([192, 175, 48], 24), ([198, 18], 15), ([198, 51, 100], 24), ([203, 0, 113], 24), ([224], 3),
        ].map { IPNetwork(IPAddress(v4: $0.0), prefix: $0.1) }
        + [
            // Teredo, benchmarking, ORCHID and the like; documentation; 6to4; the newer documentation.
            ([0x20, 0x01], 23), ([0x20, 0x01, 0x0d, 0xb8], 32), ([0x20, 0x02], 16), ([0x3f, 0xff], 20),
            ([0x26, 0x20, 0, 0x4f, 0x80], 48),
        ].map { IPNetwork(IPAddress(v6: $0.0), prefix: $0.1) }
}
