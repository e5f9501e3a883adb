/// Which addresses a call that a tenant causes may be dialled at: public ones, and those of networks that are allowed
/// besides.
///
/// It judges addresses as they are dialled, not as they are written: what a URL says (decimal, octal, a name that moves)
/// has become one of these by then.
public struct AddressGuard: Sendable {
    /// Networks that may be reached although they are not public.
    public let allowed: [IPNetwork]
    /// Whether the host itself is allowed by its name: then its address may be private or this machine's own, but never
    /// link-local, where clouds keep their credentials.
    public let trustsName: Bool

    public init(allowing allowed: [IPNetwork] = [], trustsName: Bool = false) {
        self.allowed = allowed
        self.trustsName = trustsName
    }

    public func permits(_ address: IPAddress) -> Bool { refusal(of: address) == nil }

    /// What is wrong with an address, such as `a loopback address`; nil where it may be dialled. An IPv4 address mapped into
    /// IPv6 counts as what it leads to.
    public func refusal(of address: IPAddress) -> String? {
        if allowed.contains(where: { $0.contains(address) }) { return nil }
        if let inner = address.mappedIPv4 { return refusal(of: inner) }
        let kind = Self.special.first { $0.network.contains(address) }?.kind
        if let kind {
            return trustsName && [.loopback, .private, .shared].contains(kind) ? nil : kind.rawValue
        }
        return address.isIPv4 || Self.global.contains(address) ? nil : Kind.reserved.rawValue
    }

    private enum Kind: String {
        case loopback = "a loopback address"
        case `private` = "a private address"
        case shared = "a shared (CGNAT) address"
        case linkLocal = "a link-local address"
        case multicast = "a multicast address"
        case tunnel = "an address with another one inside (6to4, Teredo, NAT64)"
        case reserved = "a reserved address"
    }

    /// What the IPv6 registry has given out for the whole Internet; all else is refused.
    private static let global = IPNetwork(IPAddress(v6: [0x20]), prefix: 3)

    /// IANA's special-purpose registries (RFC 6890 and its updates), and what carries an IPv4 address inside. The narrower
    /// of two comes first.
    private static let special: [(network: IPNetwork, kind: Kind)] = {
        let v4: [([UInt8], Int, Kind)] = [
            ([127], 8, .loopback), ([10], 8, .private), ([172, 16], 12, .private), ([192, 168], 16, .private),
            ([100, 64], 10, .shared), ([169, 254], 16, .linkLocal), ([224], 4, .multicast),
            ([0], 8, .reserved), ([192, 0, 0], 24, .reserved), ([192, 0, 2], 24, .reserved),
            ([192, 31, 196], 24, .reserved), ([192, 52, 193], 24, .reserved), ([192, 88, 99], 24, .tunnel),
            ([192, 175, 48], 24, .reserved), ([198, 18], 15, .reserved), ([198, 51, 100], 24, .reserved),
            ([203, 0, 113], 24, .reserved), ([240], 4, .reserved),
        ]
        let loopback = [UInt8](repeating: 0, count: 15) + [1]
        let v6: [([UInt8], Int, Kind)] = [
            (loopback, 128, .loopback), ([0xfc], 7, .private), ([0xfe, 0x80], 10, .linkLocal), ([0xff], 8, .multicast),
            ([0x20, 0x01, 0, 0], 32, .tunnel), ([0x20, 0x02], 16, .tunnel), ([0, 0x64, 0xff, 0x9b], 32, .tunnel),
            // Benchmarking, ORCHID and the like; documentation, old and new.
            ([0x20, 0x01], 23, .reserved), ([0x20, 0x01, 0x0d, 0xb8], 32, .reserved), ([0x3f, 0xff], 20, .reserved),
            ([0x26, 0x20, 0, 0x4f, 0x80], 48, .reserved),
        ]
        return v4.map { (IPNetwork(IPAddress(v4: $0.0), prefix: $0.1), $0.2) }
            + v6.map { (IPNetwork(IPAddress(v6: $0.0), prefix: $0.1), $0.2) }
    }()
}
