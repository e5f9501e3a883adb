/// A person who can sign in: an admin of the tenant, or a user.
public struct Account: Sendable, Hashable {
    public var id: Int64
    public var isAdmin: Bool
    public var email: String
    public var username: String?
    public var name: String
    public var firstName: String?
    public var lastName: String?
    public var isActive: Bool
    public var role: Int64?
    /// The role that the account has with an app, which goes before its own.
    public var roleOfApp: [Int64: Int64] = [:]
    /// Counts the passwords: a session token of an earlier one is over.
    public var tokenGeneration: Int32 = 0
    /// The account's own values for scripts.
    public var lookups: [Lookup] = []
    /// RFC 3339; nil before the first login.
    public var lastLogin: String?

    public init(
        id: Int64, isAdmin: Bool, email: String, name: String, firstName: String?, lastName: String?, isActive: Bool,
        role: Int64?, lastLogin: String?
    ) {
        self.id = id
        self.isAdmin = isAdmin
        self.email = email
        self.name = name
        self.firstName = firstName
        self.lastName = lastName
        self.isActive = isActive
        self.role = role
        self.lastLogin = lastLogin
    }

    /// The account as a session carries it.
    public var sessionUser: Session.User {
        var user = Session.User(
            id: id, name: name, firstName: firstName, lastName: lastName, email: email, isAdmin: isAdmin,
            lastLogin: lastLogin)
        user.username = username
        return user
    }
}
