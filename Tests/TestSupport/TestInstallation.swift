import Core
import Database
import Outbound
import Synchronization

/// Two ingresses and two workers as processes of their own against one PostgreSQL, shared by the tests of a process.
public struct TestInstallation: Sendable {
    public let ingresses: [String]
    public let programs: [TestProgram]
    public let environment: [String: String]
    public let http: HTTPClient
    public static let operatorToken = "operator-token-of-the-tests"

    private static let start = Task { try await TestInstallation() }

    /// The installation, started when the first test asks for it.
    public static func shared() async throws -> TestInstallation { try await start.value }

    private init() async throws {
        let environment = [
            "SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(migrations: Migration.embedded),
            "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
            "SCRIPTORIUM_OPERATOR_TOKEN": Self.operatorToken,
            "SCRIPTORIUM_PORT": "0",
            "SCRIPTORIUM_WORKER_CONCURRENCY": "8",
            "SCRIPTORIUM_TENANT_DOMAIN": "api.test",
        ]
        self.environment = environment
        var programs: [TestProgram] = []
        for role in ["ingress", "ingress", "worker", "worker"] {
            programs.append(try await TestProgram([role], environment: environment))
        }
        self.programs = programs
        var ingresses: [String] = []
        for program in programs {
            let ready = try await program.line(after: "ready ")
            if ready.hasPrefix("http") { ingresses.append(ready) }
        }
        self.ingresses = ingresses
        http = HTTPClient(maxConnections: 512)
    }

    /// One that was started elsewhere.
    public init(ingresses: [String], environment: [String: String]) {
        self.ingresses = ingresses
        self.environment = environment
        programs = []
        http = HTTPClient(maxConnections: 512)
    }

    private static let tenants = Atomic(0)

    /// A tenant of the test's own.
    public func tenant(quotas: String = "{}") async throws -> TestTenant {
        let number = Self.tenants.add(1, ordering: .relaxed).newValue
        let name = "tenant-\(number)"
        // Every test begins with a tenant and a sign-in: where there are too many at the same time, a caller comes back.
        var reply = HTTPReply(status: 503, headers: [], body: [])
        try await eventually("\(name) is made", within: .seconds(60)) {
            reply = try await made(name, number, quotas)
            return reply.status != 503
        }
        let json = try JSONText(checking: reply.body)
        guard reply.status == 201, let key = json["api_key"]?.string, let admin = json["admin"],
            let email = admin["email"]?.string, let password = admin["password"]?.string
        else { throw NeverHappened(description: "no tenant: \(reply.text)") }
        var tenant = TestTenant(
            installation: self, name: name, apiKey: key, email: email, password: password, token: "")
        try await eventually("the admin of \(name) signs in", within: .seconds(60)) {
            let session = try await tenant.send(
                "POST", "/api/v2/system/admin/session", #"{"email":"\#(email)","password":"\#(password)"}"#)
            guard session.status != 503 else { return false }
            tenant.token = try JSONText(checking: session.body)["session_token"]?.string ?? ""
            return true
        }
        guard !tenant.token.isEmpty else { throw NeverHappened(description: "no session of \(name)") }
        return tenant
    }

    private func made(_ name: String, _ number: Int, _ quotas: String) async throws -> HTTPReply {
        try await http.send(
            HTTPCall(
                method: "POST", url: "\(ingresses[number % ingresses.count])/operator/tenants",
                headers: [
                    (name: "Authorization", value: "Bearer \(Self.operatorToken)"),
                    (name: "Content-Type", value: "application/json"),
                ],
                body: Array(#"{"name":"\#(name)","quotas":\#(quotas)}"#.utf8)))
    }
}

/// A tenant with its key and its admin's session. Its calls go to the ingresses in turn.
public struct TestTenant: Sendable {
    public let installation: TestInstallation
    public let name: String
    public let apiKey: String
    public let email: String
    public let password: String
    public internal(set) var token: String

    private static let turns = Atomic(0)

    /// A call with the tenant's key.
    /// - Parameter ingress: which one; nil takes the next in turn.
    public func send(
        _ method: String, _ path: String, _ body: String? = nil,
        headers: [(name: String, value: String)] = [], ingress: Int? = nil, timeout: Duration = .seconds(60)
    ) async throws -> HTTPReply {
        var all = [(name: "X-DreamFactory-API-Key", value: apiKey)]
        all += headers
        for (name, value) in [("Accept", "application/json"), ("Content-Type", "application/json")]
        where !headers.contains(where: { $0.name.lowercased() == name.lowercased() }) {
            if name == "Accept" || body != nil { all.append((name: name, value: value)) }
        }
        return try await raw(method, path, Array((body ?? "").utf8), headers: all, ingress: ingress, timeout: timeout)
    }

    /// A call with exactly these headers.
    public func raw(
        _ method: String, _ path: String, _ body: [UInt8] = [], headers: [(name: String, value: String)] = [],
        ingress: Int? = nil, timeout: Duration = .seconds(60)
    ) async throws -> HTTPReply {
        let turn = ingress ?? Self.turns.add(1, ordering: .relaxed).newValue
        let url = installation.ingresses[turn % installation.ingresses.count] + path
        return try await installation.http.send(
            HTTPCall(method: method, url: url, headers: headers, body: body, timeout: timeout))
    }

    /// A call as the tenant's admin.
    public func administer(
        _ method: String, _ path: String, _ body: String? = nil, ingress: Int? = nil
    ) async throws -> HTTPReply {
        try await send(
            method, "/api/v2/system/\(path)", body, headers: [(name: "X-DreamFactory-Session-Token", value: token)],
            ingress: ingress)
    }

    /// Saves an active event script through the first ingress, which knows it then at once.
    public func bind(
        _ event: String, _ language: String, _ content: String, modifies: Bool = false
    ) async throws {
        let reply = try await administer(
            "POST", "event_script/\(event)",
            #"{"type":"\#(language)","is_active":true,"allow_event_modification":\#(modifies),"content":\#(JSONText.quoted(content))}"#,
            ingress: 0)
        guard reply.status == 201 || reply.status == 200 else {
            throw NeverHappened(description: "not bound: \(reply.text)")
        }
    }

    /// Saves a script as a service, through the same ingress that answers for it then at once.
    @discardableResult
    public func save(_ name: String, _ language: String, _ content: String, config: String = "") async throws
        -> HTTPReply
    {
        let reply = try await administer(
            "POST", "service",
            #"{"name":"\#(name)","type":"\#(language)","config":{"content":\#(JSONText.quoted(content))\#(config)}}"#)
        guard reply.status == 201 else { throw NeverHappened(description: "not saved: \(reply.text)") }
        // The other ingress knows it within a second.
        for ingress in installation.ingresses.indices {
            try await eventually("ingress \(ingress) knows \(name)", within: .seconds(10)) {
                // A call that is refused for its body before a job is made, but not before the service is found.
                let reply = try await send("POST", "/api/v2/\(name)", "{", ingress: ingress)
                return reply.status == 400
            }
        }
        return reply
    }
}
