import Core
import Database
import Logging
import Outbound
import TestSupport
import Testing

/// What an operator does with tenants (contract.md §7).
@Suite struct OperatorTests {
    private func operate(
        _ method: String, _ path: String, _ body: String? = nil, ingress: Int = 0
    ) async throws -> HTTPReply {
        let installation = try await TestInstallation.shared()
        return try await installation.http.send(
            HTTPCall(
                method: method, url: installation.ingresses[ingress] + "/operator/tenants" + path,
                headers: [
                    (name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)"),
                    (name: "Content-Type", value: "application/json"),
                ],
                body: Array((body ?? "").utf8)))
    }

    private func json(
        _ reply: HTTPReply, _ status: Int = 200, location: SourceLocation = #_sourceLocation
    ) throws -> JSONText {
        #expect(reply.status == status, "\(reply.text)", sourceLocation: location)
        return try JSONText(checking: reply.body)
    }

    /// What the database knows, for what no caller may see.
    private func count(_ statement: Statement, _ tenant: Int64) async throws -> Int64 {
        let url = try await TestInstallation.shared().environment["SCRIPTORIUM_DATABASE_URL"] ?? ""
        let database = Database(
            DatabaseOptions(url: url, connections: 1), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let found = try await database.system.read { try $0.query(statement, tenant).first?.decode(Int64.self) }
        await database.close()
        return found ?? -1
    }

    @Test func tenantsAreListedInPages() async throws {
        let installation = try await TestInstallation.shared()
        var names: [String] = []
        for _ in 1...3 { names.append(try await installation.tenant().name) }
        var found: [String] = []
        var cursor = ""
        repeat {
            let page = try json(try await operate("GET", "?limit=2\(cursor)"))
            let tenants = try #require(page["resource"]?.elements)
            #expect(tenants.count <= 2)
            found += tenants.compactMap { $0["name"]?.string }
            guard let next = page["meta"]?["next"]?.string else { break }
            cursor = "&cursor=\(next)"
        } while found.count < 10_000
        #expect(found.filter(names.contains) == names)
        #expect(Set(found).count == found.count)
        for query in ["?limit=0", "?limit=1001", "?limit=x", "?cursor=x"] {
            #expect(try await operate("GET", query).status == 400)
        }
    }

    @Test func aTenantIsShownAndChanged() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"max_body_bytes":5000,"weight":2}"#)
        let shown = try json(try await operate("GET", "/\(tenant.name)", ingress: 1))
        #expect(shown.members.map(\.key) == ["id", "name", "label", "suspended", "quotas", "created_at"])
        #expect(shown["quotas"]?.text == #"{"max_body_bytes":5000,"weight":2}"#)
        #expect(shown["suspended"]?.bool == false)
        let change = #"{"label":"Acme Ltd.","quotas":{"weight":null,"cpu_seconds":7.5}}"#
        let changed = try json(try await operate("PATCH", "/\(tenant.name)", change))
        #expect(changed["label"]?.string == "Acme Ltd.")
        #expect(changed["quotas"]?.text == #"{"max_body_bytes":5000,"weight":null,"cpu_seconds":7.5}"#)
        #expect(try json(try await operate("GET", "/\(tenant.name)")).text == changed.text)
        // What is not named stays.
        let again = try json(try await operate("PATCH", "/\(tenant.name)", #"{"suspended":false}"#))
        #expect(again.text == changed.text)
    }

    @Test func aQuotaHoldsEverywhereAtOnce() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("echo", "python3", "return 1")
        #expect(try await operate("PATCH", "/\(tenant.name)", #"{"quotas":{"max_body_bytes":10}}"#).status == 200)
        for ingress in 0...1 {
            try await eventually("ingress \(ingress) knows", within: .seconds(5)) {
                let reply = try await tenant.send(
                    "POST", "/api/v2/echo", #"{"long":"longer than ten bytes"}"#, ingress: ingress)
                return reply.status == 413
            }
        }
    }

    @Test(arguments: [
        ("", "body"), ("[]", "object"), (#"{"labell":"x"}"#, "labell"), (#"{"name":"other"}"#, "name"),
        (#"{"label":5}"#, "label"), (#"{"suspended":"yes"}"#, "suspended"), (#"{"quotas":[]}"#, "quotas"),
        (#"{"quotas":{"wait":5}}"#, "'wait'"), (#"{"quotas":{"wall_seconds":0}}"#, "from 0.05 to 86400"),
        (#"{"quotas":{"max_concurrent":"many"}}"#, "max_concurrent"), (#"{"quotas":{"min_tier":"D"}}"#, "min_tier"),
    ])
    func aWrongChangeIsRefused(body: String, part: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let before = try await operate("GET", "/\(tenant.name)").text
        let reply = try await operate("PATCH", "/\(tenant.name)", body)
        let error = try json(reply, 400)["error"]
        #expect(error?["message"]?.string?.contains(part) == true, "\(reply.text)")
        #expect(error?["context"]?["request_id"]?.string == reply.header("X-Request-Id"))
        #expect(try await operate("GET", "/\(tenant.name)").text == before)
    }

    @Test func whatIsNotThereIsNotFound() async throws {
        for (method, path) in [
            ("GET", "/nobody-here"), ("PATCH", "/nobody-here"), ("DELETE", "/nobody-here"),
            ("GET", "/nobody-here/usage"),
            ("GET", "/Not%20A%20Name"), ("GET", "/nobody-here/other"), ("GET", "/a/b/c"),
        ] {
            #expect(try await operate(method, path, method == "PATCH" ? "{}" : nil).status == 404, "\(method) \(path)")
        }
        #expect(try await operate("PUT", "").header("Allow") == "GET, POST")
        #expect(try await operate("POST", "/nobody-here").header("Allow") == "GET, PATCH, DELETE")
    }

    @Test func aSuspendedTenantIsRefusedUntilItIsResumed() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("echo", "python3", "return 1")
        let job = try #require(try await tenant.send("GET", "/api/v2/echo").header("X-Scriptorium-Job"))
        let session = [(name: "X-DreamFactory-Session-Token", value: tenant.token)]
        for (body, status) in [(#"{"suspended":true}"#, 403), (#"{"suspended":false}"#, 200)] {
            #expect(try await operate("PATCH", "/\(tenant.name)", body).status == 200)
            for ingress in 0...1 {
                try await eventually("ingress \(ingress) knows", within: .seconds(5)) {
                    try await tenant.send("GET", "/api/v2/echo", ingress: ingress).status == status
                }
                #expect(try await tenant.send("GET", "/api/v2/jobs/\(job)", ingress: ingress).status == status)
                #expect(
                    try await tenant.raw("GET", "/api/v2/user/session", headers: session, ingress: ingress).status
                        == status)
            }
        }
    }

    @Test func aDeletedTenantIsGone() async throws {
        let installation = try await TestInstallation.shared()
        let tenant = try await installation.tenant()
        try await tenant.save("echo", "python3", "print('a line')\nreturn 1")
        let job = try #require(try await tenant.send("GET", "/api/v2/echo").header("X-Scriptorium-Job"))
        let asynchronous = [(name: "Prefer", value: "respond-async")]
        for _ in 1...3 { _ = try await tenant.send("GET", "/api/v2/echo", headers: asynchronous) }
        try await tenant.save("sleep", "python3", "import time\ntime.sleep(600)")
        let sleeper = try await tenant.send("GET", "/api/v2/sleep", headers: asynchronous)
        let sleeping = try #require(sleeper.header("X-Scriptorium-Job"))
        try await eventually("it runs") {
            try await tenant.send("GET", "/api/v2/jobs/\(sleeping)").text.contains(#""status":"running""#)
        }
        let id = Int64(try #require(try json(try await operate("GET", "/\(tenant.name)"))["id"]?.integer))
        #expect(try json(try await operate("DELETE", "/\(tenant.name)"))["deleted"]?.bool == true)
        #expect(try await operate("GET", "/\(tenant.name)").status == 404)
        #expect(try await operate("DELETE", "/\(tenant.name)").status == 404)
        #expect(try await count(Self.keyLength, id) == 0)
        for ingress in 0...1 {
            try await eventually("ingress \(ingress) refuses the key", within: .seconds(5)) {
                try await tenant.send("GET", "/api/v2/jobs/\(job)", ingress: ingress).status == 401
            }
        }
        try await eventually("everything of it is dropped", within: .seconds(60)) {
            try await count(Self.rows, id) == 0
        }
        try await eventually("its script is stopped") {
            installation.programs.contains { program in
                program.text.split(separator: "\n").contains {
                    $0.contains(sleeping) && ($0.contains("taken away") || $0.contains("attempt dropped"))
                }
            }
        }

        // The name is free, and nothing of the old tenant opens the new one.
        let made = try json(try await operate("POST", "", #"{"name":"\#(tenant.name)"}"#), 201)
        let key = try #require(made["api_key"]?.string)
        let token = (name: "X-DreamFactory-Session-Token", value: tenant.token)
        for ingress in 0...1 {
            for path in ["user/session", "system/service"] {
                let reply = try await tenant.raw("GET", "/api/v2/\(path)", headers: [token], ingress: ingress)
                #expect(reply.status == 401, "\(reply.text)")
            }
            let reply = try await tenant.raw(
                "GET", "/api/v2/jobs/\(job)", headers: [(name: "X-API-Key", value: key)], ingress: ingress)
            #expect(reply.status == 404)
        }
    }

    private static let keyLength = Statement(
        "test_key_length", "select octet_length(data_key)::bigint from tenant where id = $1::bigint")
    private static let rows = Statement(
        "test_rows_of_tenant",
        """
        select (select count(*) from job where tenant = $1::bigint) + (select count(*) from result where tenant = $1::bigint)
            + (select count(*) from log where tenant = $1::bigint) + (select count(*) from ready where tenant = $1::bigint)
            + (select count(*) from run where tenant = $1::bigint) + (select count(*) from service where tenant = $1::bigint)
            + (select count(*) from service_version where tenant = $1::bigint)
            + (select count(*) from account where tenant = $1::bigint) + (select count(*) from role where tenant = $1::bigint)
        """)

    // MARK: Usage

    @Test func usageIsWhatTheJobsHaveUsed() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        #expect(try json(try await operate("GET", "/\(tenant.name)/usage"))["resource"]?.elements.isEmpty == true)
        try await tenant.save("one", "python3", "print('one')\nplatform.store.get('x')\nreturn sum(range(300000))")
        try await tenant.save("two", "nodejs", "throw new Error('no');")
        var run = 0
        var cpu = 0
        let kinds = ["user_cpu_ms", "system_cpu_ms", "waited_ms", "api_calls", "bytes_in", "bytes_out", "log_bytes"]
        var scripts: [String: Int] = [:]
        for _ in 1...3 {
            let job = try #require(try await tenant.send("POST", "/api/v2/one", "{}").header("X-Scriptorium-Job"))
            let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)").body)
            run += try #require(record["run_ms"]?.integer)
            cpu += try #require(record["cpu_ms"]?.integer)
            for kind in kinds { scripts[kind, default: 0] += try #require(record["usage"]?[kind]?.integer) }
        }
        #expect(try await tenant.send("GET", "/api/v2/two").status == 500)

        let usage = try json(try await operate("GET", "/\(tenant.name)/usage", ingress: 1))
        let rows = try #require(usage["resource"]?.elements)
        let one = rows.filter { $0["service"]?.string == "one" }
        func sum(_ rows: [JSONText], _ key: String) -> Int { rows.reduce(0) { $0 + ($1[key]?.integer ?? 0) } }
        #expect(sum(one, "jobs") == 3)
        #expect(sum(one, "attempts") == 3)
        // The records round each job's times down.
        #expect((run...run + 3).contains(sum(one, "run_ms")), "\(usage)")
        #expect((cpu...cpu + 3).contains(sum(one, "cpu_ms")), "\(usage)")
        for kind in kinds {
            let known = try #require(scripts[kind])
            let rounded = kind.hasSuffix("_ms") ? 3 : 0
            #expect((known...known + rounded).contains(sum(one, kind)), "\(kind) \(usage)")
        }
        #expect(sum(one, "api_calls") == 3)
        #expect(sum(one, "log_bytes") == 9)
        #expect(sum(one, "request_bytes") > 100)
        #expect(sum(one, "response_bytes") > 20)
        #expect(sum(rows.filter { $0["service"]?.string == "two" }, "jobs") == 1)
        let today = try #require(usage["meta"]?["to"]?.string)
        #expect(usage["meta"]?["from"]?.string == today.dropLast(2) + "01")
        #expect(rows.allSatisfy { ($0["day"]?.string ?? "") <= today })
        // Other days have nothing.
        let past = try json(try await operate("GET", "/\(tenant.name)/usage?from=2020-02-01&to=2020-02-29"))
        #expect(past["resource"]?.elements.isEmpty == true)
        for query in ["from=2021-02-29", "from=yesterday", "to=2020-1-1", "from=2020-03-01&to=2020-02-01"] {
            #expect(try await operate("GET", "/\(tenant.name)/usage?\(query)").status == 400, "\(query)")
        }
    }
}
