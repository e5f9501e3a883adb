import Core
import Outbound

/// An installation as a client sees it: a URL, and what it takes to be let in.
struct Installation: Sendable {
    /// An admin of a tenant, who can sign in.
    struct Admin: Sendable {
        var tenant: String
        var email: String
        var password: String
    }

    /// As whom a call is made.
    enum Caller: Sendable {
        case app
        case installationOperator
        /// With a session token.
        case session(String)
        case nobody
    }

    let url: String
    let apiKey: String?
    let operatorToken: String?
    let admin: Admin?
    let http = HTTPClient()

    /// A call with a JSON answer, or none.
    /// - Throws: ``ClientFailure`` also where the server answers with an error.
    func json(
        _ method: String, _ path: String, _ body: JSONText? = nil, as caller: Caller,
        timeout: Duration = .seconds(60), headers: [(name: String, value: String)] = []
    ) async throws -> JSONText {
        let reply = try await send(method, path, body, as: caller, timeout: timeout, headers: headers)
        guard reply.status < 400 else { throw Self.refusal(reply, caller) }
        guard !reply.body.isEmpty else { return .emptyObject }
        guard let json = try? JSONText(checking: reply.body) else {
            throw ClientFailure(.failed, "\(url) answers, but not as Scriptorium does. Check the URL.")
        }
        return json
    }

    /// A call, whatever its answer.
    /// - Throws: ``ClientFailure`` where there is no answer.
    func send(
        _ method: String, _ path: String, _ body: JSONText? = nil, as caller: Caller,
        timeout: Duration = .seconds(60), headers: [(name: String, value: String)] = []
    ) async throws -> HTTPReply {
        let body = body.map { Array($0.text.utf8) }
        var headers = headers
        if body != nil { headers.append((name: "Content-Type", value: "application/json")) }
        return try await send(method, path, bytes: body ?? [], as: caller, timeout: timeout, headers: headers)
    }

    /// The same with a body of any kind.
    func send(
        _ method: String, _ path: String, bytes: [UInt8], as caller: Caller, timeout: Duration,
        headers: [(name: String, value: String)]
    ) async throws -> HTTPReply {
        let call = try call(method, path, bytes, as: caller, timeout: timeout, headers: headers)
        do {
            return try await http.send(call)
        } catch let error as OutboundError {
            throw unreachable(error)
        }
    }

    /// A call whose answer is read as it comes.
    func stream(
        _ path: String, as caller: Caller, timeout: Duration, headers: [(name: String, value: String)]
    ) async throws -> HTTPStream {
        let call = try call("GET", path, [], as: caller, timeout: timeout, headers: headers)
        do {
            return try await http.stream(call)
        } catch let error as OutboundError {
            throw unreachable(error)
        }
    }

    /// A session token of the admin.
    func signIn(_ admin: Admin) async throws -> Caller {
        let session = try await json(
            "POST", "/api/v2/system/admin/session",
            .object([("email", .string(admin.email)), ("password", .string(admin.password))]), as: .nobody,
            headers: [(name: "X-Scriptorium-Tenant", value: admin.tenant)])
        return .session(session["session_token"]?.string ?? "")
    }

    private func call(
        _ method: String, _ path: String, _ body: [UInt8], as caller: Caller, timeout: Duration,
        headers: [(name: String, value: String)]
    ) throws -> HTTPCall {
        var all = headers
        switch caller {
        case .app:
            guard let apiKey else {
                throw ClientFailure(.usage, "There is no API key: give --credentials FILE, or set SCRIPTORIUM_API_KEY.")
            }
            all.append((name: "X-DreamFactory-API-Key", value: apiKey))
        case .installationOperator:
            guard let operatorToken else {
                throw ClientFailure(
                    .usage,
                    "There is no operator token: give --credentials FILE, or set SCRIPTORIUM_OPERATOR_TOKEN to the one"
                        + " that the ingress has.")
            }
            all.append((name: "Authorization", value: "Bearer \(operatorToken)"))
        case .session(let token): all.append((name: "X-DreamFactory-Session-Token", value: token))
        case .nobody: break
        }
        if !headers.contains(where: { $0.name == "Accept" }) {
            all.append((name: "Accept", value: "application/json"))
        }
        return HTTPCall(method: method, url: url + path, headers: all, body: body, timeout: timeout)
    }

    private func unreachable(_ error: OutboundError) -> ClientFailure {
        guard error.code != .invalid else {
            return ClientFailure(.usage, "\(error.message) Check --url, the path and the keys.")
        }
        return ClientFailure(.unreachable, "\(url) can not be reached: \(error.message) Is 'scriptorium dev' running?")
    }

    /// The server's error, and what to do where the server can not know.
    static func refusal(_ reply: HTTPReply, _ caller: Caller) -> ClientFailure {
        let body = try? JSONText(checking: reply.body)
        var text = body?["error"]?["message"]?.string ?? "HTTP \(reply.status)"
        switch (reply.status, caller) {
        case (401, .installationOperator):
            text += " The token comes from the credentials, else from SCRIPTORIUM_OPERATOR_TOKEN."
        case (401, .app): text += " The key comes from --api-key, the credentials, or SCRIPTORIUM_API_KEY."
        case (401, .nobody): text += " The email and password come from the credentials, or from the command line."
        default: break
        }
        if let seconds = reply.header("Retry-After") { text += " Try again in \(seconds) s." }
        return ClientFailure(ExitStatus(httpStatus: reply.status), text, body: body)
    }
}
