/// A named value that scripts look up.
public struct Lookup: Sendable, Hashable {
    /// 0 for one that is not stored yet.
    public var id: Int64
    public var name: String
    public var value: String
    /// Its value is shown to scripts that ask for it, and to nobody else.
    public var isPrivate: Bool
    public var description: String

    public init(id: Int64 = 0, name: String, value: String, isPrivate: Bool = false, description: String = "") {
        self.id = id
        self.name = name
        self.value = value
        self.isPrivate = isPrivate
        self.description = description
    }

    /// Whom a value belongs to.
    public enum Owner: Sendable, Hashable {
        case tenant
        case app(Int64)
        case role(Int64)
        case account(Int64)
    }

    /// The largest value, in bytes.
    public static let largestValue = 16 << 10
    /// How many values an owner may have.
    public static let most = 200
    /// The bytes of all values of one owner.
    public static let largestSum = 256 << 10

    /// What a name must look like, for messages.
    public static let nameRule =
        "1 to 64 letters, digits, dashes, dots and underscores, beginning with a letter, a digit or an underscore"

    /// What the platform itself answers for: `{user.email}` is no value of anybody's own.
    public static let reservedPrefixes = ["session.", "user.", "role.", "app.", "df."]

    /// Whether `name` can stand between braces, and means nothing else there.
    public static func isValidName(_ name: String) -> Bool {
        guard (1...64).contains(name.utf8.count), let first = name.utf8.first, isWord(first) else { return false }
        return name.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
            && !reservedPrefixes.contains(where: name.hasPrefix)
    }

    /// A letter, a digit or an underscore.
    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
