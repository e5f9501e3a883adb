/// Who is calling, as it goes with a job and as the script sees it in `platform.session`.
public struct Session: Sendable {
    /// The signed-in user or admin.
    public struct User: Sendable, Hashable {
        public var id: Int64
        public var name: String
        public var firstName: String?
        public var lastName: String?
        public var email: String
        /// Nil where the email serves as one.
        public var username: String?
        public var isAdmin: Bool
        /// RFC 3339; nil before the first login.
        public var lastLogin: String?

        public init(
            id: Int64, name: String, firstName: String?, lastName: String?, email: String, isAdmin: Bool,
            lastLogin: String?
        ) {
            self.id = id
            self.name = name
            self.firstName = firstName
            self.lastName = lastName
            self.email = email
            self.isAdmin = isAdmin
            self.lastLogin = lastLogin
        }
    }

    public var tenant: TenantID
    /// The API key in clear. A secret: it is sealed with the job and reaches the script, as in DreamFactory.
    public var apiKey: String?
    /// The session token (JWT) in clear. A secret, like the key.
    public var token: String?
    public var requestor: Requestor
    public var appID: Int64?
    public var user: User?
    public var role: Role?
    /// The public values that the caller can look up.
    public var lookups: [String: String] = [:]

    public init(
        tenant: TenantID, apiKey: String? = nil, token: String? = nil, requestor: Requestor = .api,
        appID: Int64? = nil, user: User? = nil, role: Role? = nil
    ) {
        self.tenant = tenant
        self.apiKey = apiKey
        self.token = token
        self.requestor = requestor
        self.appID = appID
        self.user = user
        self.role = role
    }

    /// An admin without a role may do everything in the tenant.
    public var isAdmin: Bool { user?.isAdmin == true }

    /// Whether this session may use `verb` on `component` of `service`.
    public func allows(_ verb: Verb, _ service: String, _ component: String) -> Bool {
        if let role { return role.allows(verb, service, component, as: requestor) }
        return isAdmin
    }
}
