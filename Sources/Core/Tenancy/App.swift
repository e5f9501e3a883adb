/// An API key and the role of those who call with it.
public struct App: Sendable, Hashable {
    public var id: Int64
    public var name: String
    public var description: String
    public var isActive: Bool
    /// SHA-256 of the key; the key itself is stored nowhere.
    public var keyHash: [UInt8]
    public var role: Int64?

    public init(id: Int64, name: String, description: String, isActive: Bool, keyHash: [UInt8], role: Int64?) {
        self.id = id
        self.name = name
        self.description = description
        self.isActive = isActive
        self.keyHash = keyHash
        self.role = role
    }

    /// One that is to be made: without an id and a key yet.
    public init(name: String, description: String = "", isActive: Bool = true, role: Int64?) {
        self.init(id: 0, name: name, description: description, isActive: isActive, keyHash: [], role: role)
    }
}
