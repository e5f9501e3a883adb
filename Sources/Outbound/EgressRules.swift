import Core

/// Where the calls of a tenant's scripts may go (the quota `egress`).
public struct EgressRules: Sendable {
    /// Whether no call may leave.
    private let isClosed: Bool
    private let networks: [IPNetwork]
    /// In lower case.
    private let hosts: Set<String>

    public init(_ egress: Quotas.Egress) {
        switch egress {
        case .none: self.init(isClosed: true, entries: [])
        case .platform: self.init(isClosed: false, entries: [])
        case .allow(let entries): self.init(isClosed: false, entries: entries)
        }
    }

    private init(isClosed: Bool, entries: [String]) {
        self.isClosed = isClosed
        networks = entries.compactMap { IPNetwork($0) }
        hosts = Set(entries.filter { IPNetwork($0) == nil }.map { WebURL("http://\($0)/")?.hostName ?? $0 })
    }

    /// What judges the addresses of a call of this URL, on its way there.
    /// - Throws: ``OutboundError/Code/refused`` where nothing may leave.
    public func addressGuard(for url: WebURL) throws(OutboundError) -> AddressGuard {
        guard !isClosed else { throw OutboundError(.refused, "This tenant's scripts may call nothing outside.") }
        return AddressGuard(allowing: networks, trustsName: hosts.contains(url.hostName))
    }

    /// What is wrong with an entry of the quota's list; nil where it is a network or the name of a host.
    public static func complaint(about entry: String) -> String? {
        if IPNetwork(entry) != nil { return nil }
        let labels = entry.split(separator: ".", omittingEmptySubsequences: false)
        let isName =
            entry.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                            true
                        default: false
                        }
                    }
            }
        // A last label that is a number would be read as an address, in one of many ways.
        guard isName, labels.last?.first?.isNumber == false else {
            return "'\(entry.prefix(100))' is neither a host, such as \"api.example\", nor a network, such as"
                + " \"10.0.0.0/8\""
        }
        return nil
    }
}
