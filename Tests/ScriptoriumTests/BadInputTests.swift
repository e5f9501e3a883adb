import Core
import Outbound
import TestSupport
import Testing

/// Whatever comes in: a clear error in the documented shape, never a hang, never a dead process.
@Suite struct BadInputTests {
    private static let tenant = Task {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"response_bytes":100000}"#)
        try await tenant.save("echo", "python3", "return {'got': event.request.payload}")
        return tenant
    }

    private func expectError(
        _ reply: HTTPReply, _ status: Int, mentioning part: String = "", location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(reply.status == status, "\(reply.text)", sourceLocation: location)
        let error = try #require(
            try JSONText(checking: reply.body)["error"], "\(reply.text)", sourceLocation: location)
        #expect(
            error.members.map(\.key) == ["code", "context", "message", "status_code"], sourceLocation: location)
        #expect(error["status_code"]?.integer == status, sourceLocation: location)
        #expect(
            error["context"]?["request_id"]?.string == reply.header("X-Request-Id"), sourceLocation: location)
        if !part.isEmpty {
            #expect(error["message"]?.string?.contains(part) == true, "\(reply.text)", sourceLocation: location)
        }
    }

    @Test(arguments: [
        ("{", "line 1"), ("{\"a\":\n tru}", "line 2"), ("[1,]", "column 4"), ("{\"a\":\"\\u0000\"}", "NUL"),
        ("\"\\ud800\"", "surrogate"), (String(repeating: "[", count: 5000), "deeper"),
    ])
    func aBodyThatIsNotJSON(body: String, part: String) async throws {
        let reply = try await Self.tenant.value.send("POST", "/api/v2/echo", body)
        try expectError(reply, 400, mentioning: part)
    }

    @Test func aBodyThatIsNotUTF8() async throws {
        let tenant = try await Self.tenant.value
        let headers = [
            (name: "X-API-Key", value: tenant.apiKey), (name: "Content-Type", value: "application/json"),
        ]
        let reply = try await tenant.raw("POST", "/api/v2/echo", [0x22, 0xFF, 0x22], headers: headers)
        try expectError(reply, 400, mentioning: "UTF-8")
    }

    @Test func aBodyThatIsTooLarge() async throws {
        let tenant = try await Self.tenant.value
        let big = #"{"a":"\#(String(repeating: "x", count: 11 << 20))"}"#
        let reply = try await tenant.send("POST", "/api/v2/echo", big)
        try expectError(reply, 413, mentioning: "max_body_bytes")
        let fits = #"{"a":"\#(String(repeating: "x", count: 9 << 20))"}"#
        try await tenant.save("length", "nodejs", "return {n: event.request.payload.a.length};")
        #expect(try await tenant.send("POST", "/api/v2/length", fits).text == #"{"n":9437184}"#)
    }

    @Test func credentialsThatAreNoGood() async throws {
        let tenant = try await Self.tenant.value
        let key = (name: "X-DreamFactory-API-Key", value: tenant.apiKey)
        try expectError(try await tenant.raw("GET", "/api/v2/echo"), 400, mentioning: "API Key")
        try expectError(
            try await tenant.raw("GET", "/api/v2/echo", headers: [(name: "X-API-Key", value: "nonsense")]), 401)
        try expectError(try await tenant.raw("GET", "/api/v2/echo?api_key=nonsense"), 401)
        try expectError(
            try await tenant.raw(
                "GET", "/api/v2/echo", headers: [key, (name: "Authorization", value: "Bearer a.b.c")]), 401)
        // An expired or foreign token is signed by another key, or not at all.
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."
        try expectError(
            try await tenant.raw(
                "GET", "/api/v2/echo", headers: [(name: "X-DreamFactory-Session-Token", value: unsigned)]), 401)
        #expect(try await tenant.raw("GET", "/api/v2/echo?api_key=\(tenant.apiKey)").status == 200)
        let other = try await TestInstallation.shared().tenant()
        try expectError(
            try await tenant.raw(
                "GET", "/api/v2/echo", headers: [key, (name: "X-DreamFactory-Session-Token", value: other.token)]),
            401, mentioning: "different tenants")
        try expectError(try await tenant.send("GET", "/api/v2/system/service"), 403, mentioning: "Access Forbidden")
    }

    @Test func pathsAndMethodsThatAreNotThere() async throws {
        let tenant = try await Self.tenant.value
        try expectError(try await tenant.send("GET", "/api/v2/unknown"), 404, mentioning: "unknown")
        try expectError(try await tenant.send("GET", "/nowhere"), 404)
        try expectError(try await tenant.send("TRACE", "/api/v2/echo"), 405)
        try expectError(try await tenant.send("GET", "/api/v2/jobs/nonsense"), 404)
        try expectError(
            try await tenant.send("GET", "/api/v2/jobs/\(JobID(milliseconds: 1))/response"), 404)
        try expectError(
            try await tenant.send("GET", "/api/v2/echo?\(String(repeating: "x", count: 9000))"), 414)
        try expectError(
            try await tenant.send(
                "GET", "/api/v2/echo", headers: [(name: "X-Long", value: String(repeating: "x", count: 40000))]), 431)
        try expectError(
            try await tenant.send("GET", "/api/v2/echo", headers: [(name: "Prefer", value: "wait=soon")]), 400)
        try expectError(try await tenant.send("GET", "/api/v2/jobs/\(JobID(milliseconds: 1))?wait=x"), 404)
    }

    @Test(arguments: [
        ("python3", "while True: pass", 504, "wall_seconds"),
        ("php", "while (true) {}", 504, "wall_seconds"),
        ("nodejs", "while (true) {}", 504, "wall_seconds"),
        ("nodejs", "setInterval(() => {}, 1000);", 504, "wall_seconds"),
        ("python3", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 500, "137"),
        ("php", "posix_kill(posix_getpid(), 9);", 500, "137"),
        ("nodejs", "process.kill(process.pid, 'SIGKILL');", 500, "137"),
        ("python3", "return 'x' * 200000", 500, "response_bytes"),
        ("nodejs", "return 'x'.repeat(200000);", 500, "response_bytes"),
        ("php", "return str_repeat('x', 200000);", 500, "response_bytes"),
        ("php", "function f() { return f(); } return f();", 500, "memory"),
        ("python3", "return len('x' * (2 << 30))", 500, ""),
        ("nodejs", "function f() { return f(); } return f();", 500, "stack"),
        ("python3", "def f(): return f()\nreturn f()", 500, "recursion"),
    ])
    func scriptsThatGoWrong(language: String, script: String, status: Int, part: String) async throws {
        let tenant = try await Self.tenant.value
        let name = "wrong-\(UInt32.random(in: 0 ... .max))"
        // Only what never ends is meant to meet the wall limit, however busy the machine is.
        try await tenant.save(name, language, script, config: part == "wall_seconds" ? #","wall_seconds":0.5"# : "")
        let reply = try await tenant.send("GET", "/api/v2/\(name)")
        try expectError(reply, status, mentioning: part)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)").body)
        #expect(record["status"]?.string == "failed")
        if ["wall_seconds", "response_bytes"].contains(part) { #expect(record["error"]?["limit"]?.string == part) }
        // What went wrong harms nobody else.
        #expect(try await tenant.send("GET", "/api/v2/echo").status == 200)
    }

    @Test func errorsAsProblemDetails() async throws {
        let tenant = try await Self.tenant.value
        let reply = try await tenant.send(
            "GET", "/api/v2/unknown", headers: [(name: "Accept", value: "application/problem+json")])
        #expect(reply.status == 404)
        #expect(reply.header("Content-Type") == "application/problem+json")
        #expect(try JSONText(checking: reply.body)["status"]?.integer == 404)
    }

    @Test func recordsOfTheWrongShape() async throws {
        let tenant = try await Self.tenant.value
        for (body, part) in [
            ("", "no body"), ("5", "record"), (#"{"resource":5}"#, "resource"), ("{}", "name"),
            (#"{"name":5}"#, "name"), (#"{"name":"a b","type":"php","config":{"content":""}}"#, "a b"),
            (#"{"name":"system","type":"php","config":{"content":""}}"#, "system"),
            (#"{"name":"x","type":"cobol","config":{"content":""}}"#, "cobol"),
            (#"{"name":"x","type":"php"}"#, "content"), (#"{"name":"x","type":"php","config":[]}"#, "config"),
            (#"{"name":"x","type":"php","config":{"content":5}}"#, "content"),
            (#"{"name":"x","type":"php","config":{"content":"","wall_seconds":"long"}}"#, "wall_seconds"),
            (#"{"name":"x","type":"php","is_active":"yes","config":{"content":""}}"#, "is_active"),
            (#"{"name":"echo","type":"php","config":{"content":""}}"#, "echo"),
        ] {
            try expectError(try await tenant.administer("POST", "service", body), 400, mentioning: part)
        }
        try expectError(try await tenant.administer("GET", "service/999999"), 404)
        try expectError(try await tenant.administer("GET", "service/x"), 404)
        try expectError(try await tenant.administer("GET", "service?limit=x"), 400, mentioning: "limit")
        try expectError(try await tenant.administer("GET", "service?filter=;drop"), 400, mentioning: "filter")
        try await tenant.save("one", "python3", "return 1")
        try expectError(try await tenant.administer("GET", "service?filter=(name="), 400, mentioning: "filter")
        try expectError(try await tenant.administer("GET", "service?filter=nome=x"), 400, mentioning: "'nome'")
        try expectError(try await tenant.administer("GET", "service?order=nome"), 400, mentioning: "'nome'")
        // Of several records all are stored, or none.
        let two =
            #"{"resource":[{"name":"two","type":"python3","config":{"content":"return 2"}},"#
            + #"{"name":"one","type":"python3","config":{"content":"return 1"}}]}"#
        try expectError(try await tenant.administer("POST", "service", two), 400, mentioning: "'one'")
        #expect(try await tenant.administer("GET", "service?filter=name=two").text == #"{"resource":[]}"#)
        let apps = #"{"resource":[{"name":"fresh"},{"name":"fresh"}]}"#
        try expectError(try await tenant.administer("POST", "app", apps), 400, mentioning: "'fresh'")
        #expect(try await tenant.administer("GET", "app?filter=name=fresh").text == #"{"resource":[]}"#)
        try expectError(try await tenant.administer("GET", "nothing"), 404)
    }
}
