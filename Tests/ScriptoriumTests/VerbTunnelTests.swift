import Core
import Outbound
import TestSupport
import Testing

/// Verbs that come in another's clothes, and paths that lead to the same service (dreamfactory.md §6.2).
@Suite struct VerbTunnelTests {
    private static let tenant = Task {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("verb", "python3", "return event.request.method + ' ' + event.resource")
        return tenant
    }

    private func verb(
        _ method: String, _ query: String = "", headers: [(name: String, value: String)] = []
    ) async throws -> HTTPReply {
        try await Self.tenant.value.send(method, "/api/v2/verb/r\(query)", headers: headers)
    }

    @Test(arguments: [
        ("POST", "", "X-HTTP-Method", "PUT", "PUT"), ("POST", "", "X-HTTP-Method-Override", "delete", "DELETE"),
        ("POST", "", "X-Method-Override", "Patch", "PATCH"), ("POST", "", "X-HTTP-Method", "MERGE", "PATCH"),
        ("POST", "?method=GET", "X-Other", "x", "GET"), ("POST", "?a=1&_method=put", "X-Other", "x", "PUT"),
        ("POST", "?method=", "X-HTTP-Method", "", "POST"), ("POST", "?method=GET", "X-HTTP-Method", "DELETE", "DELETE"),
        // Only a POST carries another verb.
        ("GET", "?method=DELETE", "X-HTTP-Method", "DELETE", "GET"), ("PUT", "", "X-Method-Override", "DELETE", "PUT"),
        ("MERGE", "", "X-Other", "x", "PATCH"), ("OPTIONS", "", "X-Other", "x", "OPTIONS"),
        ("POST", "?method=OPTIONS", "X-Other", "x", "OPTIONS"),
    ])
    func aVerb(method: String, query: String, header: String, value: String, seen: String) async throws {
        let reply = try await verb(method, query, headers: [(name: header, value: value)])
        #expect(reply.text == "\"\(seen) r\"")
    }

    @Test func aVerbThatThereIsNot() async throws {
        for reply in [
            try await verb("POST", headers: [(name: "X-HTTP-Method", value: "FROB")]),
            try await verb("POST", "?method=TRACE"),
            try await verb("POST", "?_method=\(String(repeating: "x", count: 900))"),
        ] {
            #expect(reply.status == 405)
            #expect(reply.header("Allow") == "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD")
            #expect(reply.text.utf8.count < 1000)
        }
    }

    @Test func aHeadHasTheHeadersAndNoBody() async throws {
        let reply = try await verb("HEAD")
        #expect(reply.status == 200)
        #expect(reply.body.isEmpty)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let stored = try await Self.tenant.value.send("GET", "/api/v2/jobs/\(job)/response")
        #expect(stored.text == #""HEAD r""#)
        let own = try await Self.tenant.value.send("HEAD", "/api/v2/jobs/\(job)")
        #expect(own.status == 200)
        #expect(own.body.isEmpty)
    }

    /// The verb that counts is the one that is meant: a role without DELETE has none in a POST either.
    @Test func aTunnelLeadsNobodyPastTheirRole() async throws {
        let tenant = try await Self.tenant.value
        let key = [(name: "X-HTTP-Method", value: "DELETE")]
        let reply = try await tenant.send("POST", "/api/v2/system/service?ids=1", headers: key)
        #expect(reply.status == 403)
        #expect(reply.text.contains("DELETE access"), "\(reply.text)")
    }

    @Test func aLongFilterTravelsInABody() async throws {
        let tenant = try await Self.tenant.value
        let reply = try await tenant.administer(
            "POST", "service?method=GET", #"{"filter":"name = verb","fields":["name"]}"#)
        #expect(reply.text == #"{"resource":[{"name":"verb"}]}"#)
    }

    @Test(arguments: [
        "/api/verb/r", "/api/v2/VERB/r", "/api/Verb/%2e%2e/r", "/api/v2//verb//r",
    ])
    func aPathToTheService(path: String) async throws {
        let reply = try await Self.tenant.value.send("GET", path)
        #expect(reply.text == #""GET r""#)
    }

    @Test(arguments: [("/api", 400), ("/api/", 400), ("/api/v2/", 400), ("/apis/verb", 404), ("/api/v1/verb", 404)])
    func aPathToNone(path: String, status: Int) async throws {
        #expect(try await Self.tenant.value.send("GET", path).status == status)
    }
}
