import Core
import Outbound
import TestSupport
import Testing

/// `config.reuse`: an author lets a process serve one call after the other.
@Suite struct ReuseTests {
    private static let counter = "globalThis.n = (globalThis.n ?? 0) + 1; return globalThis.n;"

    @Test func aServiceKeepsItsStateUntilItIsSavedAnew() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let made = try await tenant.save("counter", "nodejs", Self.counter, config: #","reuse":true"#)
        try await tenant.save("fresh", "nodejs", Self.counter)
        func count(_ service: String, _ headers: [(name: String, value: String)] = []) async throws -> String {
            try await tenant.send("GET", "/api/v2/\(service)", headers: headers, ingress: 0).text
        }
        // Another worker has another process.
        try await eventually("a process is met again") { try await count("counter") == "2" }
        for _ in 0..<3 { #expect(try await count("fresh") == "1") }

        let id = try #require(try JSONText(checking: made.body)["resource"]?.elements.first?["id"]?.integer)
        let found = try await tenant.administer("GET", "service/\(id)", ingress: 0)
        #expect(try JSONText(checking: found.body)["config"]?["reuse"]?.bool == true, "\(found.text)")
        let other = "globalThis.n = (globalThis.n ?? 100) + 1; return globalThis.n;"
        let saved = try await tenant.administer(
            "PATCH", "service/\(id)", #"{"config":{"content":\#(JSONText.quoted(other))}}"#, ingress: 0)
        #expect(saved.status == 200)
        // A new version has processes of its own: nothing of the old one's is left in them.
        #expect(try await count("counter") == "101")
    }

    @Test func anotherTenantMeetsNothing() async throws {
        let installation = try await TestInstallation.shared()
        let (one, two) = (try await installation.tenant(), try await installation.tenant())
        for tenant in [one, two] { try await tenant.save("counter", "nodejs", Self.counter, config: #","reuse":true"#) }
        try await eventually("the first tenant's process is met again") {
            try await one.send("GET", "/api/v2/counter").text == "2"
        }
        #expect(try await two.send("GET", "/api/v2/counter").text == "1")
    }

    @Test(arguments: [
        ("php", "true", "'nodejs' only"), ("python3", "true", "'nodejs' only"), ("v8js", "true", "'nodejs' only"),
        ("nodejs", #""yes""#, "true or false"),
    ])
    func whereItCanNotBeItIsRefused(language: String, value: String, why: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let reply = try await tenant.administer(
            "POST", "service", #"{"name":"s","type":"\#(language)","config":{"content":"","reuse":\#(value)}}"#)
        #expect(reply.status == 400)
        #expect(reply.text.contains("config.reuse") && reply.text.contains(why), "\(reply.text)")
    }
}
