/// The number of a tenant, unique in the installation. It never leaves it: the outside sees a tenant's name.
public struct TenantID: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
}

/// The name of a tenant: `^[a-z][a-z0-9-]{1,38}[a-z0-9]$`.
public struct TenantName: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    /// What a name must look like, for messages.
    public static let rule =
        "3 to 40 characters: lower-case letters, digits and dashes, beginning with a letter and not ending with a dash"

    /// Nil where `text` breaks the rule.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard (3...40).contains(bytes.count), isLetter(bytes[0]), bytes[bytes.count - 1] != UInt8(ascii: "-"),
            bytes.allSatisfy({ isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.text = text
    }

    public var description: String { text }
}
