import Core
import Outbound
import TestSupport
import Testing

/// Quotas that an ingress applies before anything else (contract.md §8).
@Suite struct QuotaTests {
    /// A tenant that nobody has called yet, not even to sign in.
    private struct Untouched {
        let installation: TestInstallation
        let name: String
        let key: String

        init(_ quotas: String) async throws {
            installation = try await TestInstallation.shared()
            name = "quota-" + RandomSecret.hex(bytes: 6)
            let reply = try await QuotaTests.operate("POST", "", #"{"name":"\#(name)","quotas":\#(quotas)}"#)
            key = try #require(try JSONText(checking: reply.body)["api_key"]?.string, "\(reply.text)")
        }

        func get(
            _ path: String, ingress: Int, headers: [(name: String, value: String)] = []
        ) async throws -> HTTPReply {
            try await installation.http.send(
                HTTPCall(
                    url: installation.ingresses[ingress] + path,
                    headers: [(name: "X-API-Key", value: key), (name: "Accept", value: "application/json")] + headers))
        }
    }

    private static func operate(_ method: String, _ path: String, _ body: String) async throws -> HTTPReply {
        let installation = try await TestInstallation.shared()
        return try await installation.http.send(
            HTTPCall(
                method: method, url: installation.ingresses[0] + "/operator/tenants" + path,
                headers: [
                    (name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)"),
                    (name: "Content-Type", value: "application/json"),
                ], body: Array(body.utf8)))
    }

    private static func change(_ name: String, _ quotas: String) async throws {
        let reply = try await operate("PATCH", "/\(name)", #"{"quotas":\#(quotas)}"#)
        #expect(reply.status == 200, "\(reply.text)")
    }

    // MARK: The rate

    @Test func exactlyTheBurstPassesOverAllIngresses() async throws {
        let tenant = try await Untouched(#"{"rate_per_second":0.0001,"rate_burst":10}"#)
        let replies = try await withThrowingTaskGroup(of: HTTPReply.self) { group in
            for number in 0..<40 { group.addTask { try await tenant.get("/api/v2/jobs", ingress: number % 2) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(replies.filter { $0.status == 200 }.count == 10)
        let refused = replies.filter { $0.status == 429 }
        #expect(refused.count == 30)
        for reply in replies { #expect(reply.header("RateLimit-Policy") == #""default";q=1;w=10000"#) }
        for reply in refused {
            let seconds = try #require(reply.header("Retry-After").flatMap { Int($0) })
            #expect((1...10_000).contains(seconds))
            #expect(reply.header("RateLimit") == "\"default\";r=0;t=\(seconds)")
            let error = try #require(try JSONText(checking: reply.body)["error"])
            #expect(error.members.map(\.key) == ["code", "context", "message", "status_code"])
            #expect(error["code"]?.integer == 429 && error["status_code"]?.integer == 429)
            #expect(error["context"]?["request_id"]?.string == reply.header("X-Request-Id"))
            #expect(error["context"]?["limit"]?.string == "rate_per_second")
            #expect(error["context"]?["limits"]?.text == #"{"rate_per_second":0.0001,"rate_burst":10}"#)
            let message = try #require(error["message"]?.string)
            for part in ["0.0001 calls a second", "10 at once", "rate_per_second", "Come back in \(seconds) s."] {
                #expect(message.contains(part), "\(message)")
            }
        }
    }

    @Test func everyAnswerOfAKnownTenantSaysHowItStands() async throws {
        let installation = try await TestInstallation.shared()
        // Of so small a bucket nothing is taken ahead: what is left is known exactly.
        let tenant = try await installation.tenant(quotas: #"{"rate_per_second":0.0001,"rate_burst":19}"#)
        try await tenant.save(
            "echo", "python3", "return {'content': 1, 'headers': {'RateLimit': 'mine', 'RateLimit-Policy': 'mine'}}")
        let asynchronous = (name: "Prefer", value: "respond-async")
        let key = (name: "Idempotency-Key", value: "once")
        let rows: [(Int, String, String, String?, [(name: String, value: String)])] = [
            (200, "GET", "/api/v2/echo", nil, []), (202, "GET", "/api/v2/echo", nil, [asynchronous]),
            (200, "POST", "/api/v2/echo", "{}", [key]), (200, "POST", "/api/v2/echo", "{}", [key]),
            (422, "POST", "/api/v2/echo", "{\"other\":1}", [key]), (400, "POST", "/api/v2/echo", "{", []),
            (200, "HEAD", "/api/v2/echo", nil, []), (404, "GET", "/api/v2/nothing", nil, []),
            (403, "GET", "/api/v2/system/user", nil, []), (200, "GET", "/api/v2/jobs", nil, []),
        ]
        var left: Int?
        for (status, method, path, body, headers) in rows {
            let reply = try await tenant.send(method, path, body, headers: headers, ingress: 0)
            #expect(reply.status == status, "\(method) \(path): \(reply.text)")
            #expect(reply.header("RateLimit-Policy") == #""default";q=1;w=10000"#, "\(method) \(path)")
            let limit = try #require(reply.header("RateLimit"), "\(method) \(path)")
            let now = try #require(limit.split(separator: ";").dropFirst().first.flatMap { Int($0.dropFirst(2)) })
            // Each of them counts, and counts once.
            #expect(left == nil || now == (left ?? 0) - 1, "\(method) \(path): \(limit) after \(left ?? 0)")
            left = now
        }
        // Whom nobody knows, nobody counts.
        for (path, headers) in [
            ("/health/live", []), ("/api/v2/echo", []), ("/api/v2/echo", [(name: "X-API-Key", value: "wrong")]),
        ] as [(String, [(name: String, value: String)])] {
            let reply = try await tenant.raw("GET", path, headers: headers, ingress: 0)
            #expect(reply.header("RateLimit") == nil && reply.header("RateLimit-Policy") == nil)
        }
        // Who signs in without a key has named a tenant and is not known there.
        let stranger = try await tenant.raw(
            "POST", "/api/v2/user/session", Array(#"{"email":"a@b.test","password":"wrong"}"#.utf8),
            headers: [
                (name: "X-Scriptorium-Tenant", value: tenant.name), (name: "Content-Type", value: "application/json"),
            ], ingress: 0)
        #expect(stranger.status == 401 && stranger.header("RateLimit") == nil)
        let last = try await tenant.send("GET", "/api/v2/jobs", ingress: 0)
        #expect(last.header("RateLimit") == "\"default\";r=\((left ?? 0) - 1);t=10000")
    }

    /// A script's calls of the platform have a quota of their own.
    @Test func callsOfScriptsAreNotCounted() async throws {
        let tenant = try await TestInstallation.shared().tenant(
            quotas: #"{"rate_per_second":0.0001,"rate_burst":1000}"#)
        try await tenant.save("inner", "python3", "return 1")
        try await tenant.save("outer", "python3", "return [platform.api.get('inner').status for _ in range(5)]")
        func left() async throws -> Int? {
            let reply = try await tenant.send("GET", "/api/v2/outer", ingress: 0)
            #expect(reply.status == 200, "\(reply.text)")
            return reply.header("RateLimit")?.split(separator: ";").dropFirst().first.flatMap { Int($0.dropFirst(2)) }
        }
        let before = try #require(try await left())
        #expect(try await left() == before - 1)
    }

    @Test func aChangeOfTheRateCountsEverywhereWithoutARestart() async throws {
        let tenant = try await Untouched(#"{"rate_per_second":0,"rate_burst":0}"#)
        for ingress in 0...1 {
            let reply = try await tenant.get("/api/v2/jobs", ingress: ingress)
            #expect(reply.status == 429 && reply.text.contains("may make no calls"), "\(reply.text)")
            #expect(reply.header("Retry-After") != nil)
        }
        try await Self.change(tenant.name, #"{"rate_per_second":null}"#)
        for ingress in 0...1 {
            try await eventually("ingress \(ingress) knows", within: .seconds(5)) {
                let reply = try await tenant.get("/api/v2/jobs", ingress: ingress)
                if reply.status == 200 { #expect(reply.header("RateLimit") == nil) }
                return reply.status == 200
            }
        }
        try await Self.change(tenant.name, #"{"rate_per_second":0,"rate_burst":3}"#)
        for ingress in 0...1 {
            try await eventually("ingress \(ingress) knows", within: .seconds(5)) {
                try await tenant.get("/api/v2/jobs", ingress: ingress).status == 429
            }
        }
        // A larger burst gives the difference: of ten in all three are spent.
        try await Self.change(tenant.name, #"{"rate_burst":10}"#)
        var passed = 0
        try await eventually("seven more pass", within: .seconds(10)) {
            for ingress in 0...1 where try await tenant.get("/api/v2/jobs", ingress: ingress).status == 200 {
                passed += 1
            }
            return passed >= 7
        }
        for ingress in 0...1 { #expect(try await tenant.get("/api/v2/jobs", ingress: ingress).status == 429) }
        #expect(passed == 7)
    }

    /// The one tenant's flood is not the other's.
    @Test func anotherTenantPasses() async throws {
        let flooding = try await Untouched(#"{"rate_per_second":0.0001,"rate_burst":1}"#)
        let other = try await Untouched(#"{"rate_per_second":0.0001,"rate_burst":20}"#)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                group.addTask { _ = try await flooding.get("/api/v2/jobs", ingress: number % 2) }
            }
            for number in 0..<20 {
                group.addTask {
                    let reply = try await other.get("/api/v2/jobs", ingress: number % 2)
                    #expect(reply.status == 200, "\(reply.text)")
                }
            }
            try await group.waitForAll()
        }
    }
}
