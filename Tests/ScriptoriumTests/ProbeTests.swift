import Core
import Outbound
import Synchronization
import TestSupport
import Testing

/// The golden probes of the reference, as HTTP gives them with `Accept: application/json`.
@Suite struct ProbeTests {
    @Test(arguments: Probe.nodejs) func nodejs(probe: Probe) async throws { try await check(probe, "nodejs") }
    @Test(arguments: Probe.python3) func python3(probe: Probe) async throws { try await check(probe, "python3") }
    @Test(arguments: Probe.php) func php(probe: Probe) async throws { try await check(probe, "php") }

    /// One tenant and one service for each probe: the number of its row names it.
    private static let tenant = Task { try await TestInstallation.shared().tenant() }
    private static let numbers = Atomic(0)

    private func check(_ probe: Probe, _ language: String) async throws {
        let tenant = try await Self.tenant.value
        let name = "\(language)-\(Self.numbers.add(1, ordering: .relaxed).newValue)"
        try await tenant.save(name, language, probe.script)
        let reply = try await tenant.send("GET", "/api/v2/\(name)/x/y?q=1")
        #expect(reply.status == probe.status, "\(reply.text)")
        if let body = probe.body { #expect(reply.text == body) }
        if let header = probe.header { #expect(reply.header(header.name) == header.value) }
        if probe.message != nil || probe.mentions != nil {
            let error = try #require(try JSONText(checking: reply.body)["error"], "\(reply.text)")
            #expect(error.members.map(\.key) == ["code", "context", "message", "status_code"])
            #expect(error["status_code"]?.integer == probe.status)
            #expect(error["context"]?["job_id"]?.string == reply.header("X-Scriptorium-Job"))
            if let message = probe.message { #expect(error["message"]?.string == message) }
            if let part = probe.mentions { #expect(error["message"]?.string?.contains(part) == true, "\(reply.text)") }
            if let code = probe.code { #expect(error["code"]?.integer == code) }
        } else {
            #expect(reply.header("Content-Type")?.hasPrefix("application/json") == true || probe.body == "bye")
        }
        if let line = probe.logs {
            let job = try #require(reply.header("X-Scriptorium-Job"))
            let logs = try await tenant.send("GET", "/api/v2/jobs/\(job)/logs")
            let lines = try JSONText(checking: logs.body)["resource"]?.elements.compactMap { $0["text"]?.string }
            #expect(lines == [line])
        }
    }

    /// A script that does not parse can not be saved; the reference runs it and fails.
    @Test(arguments: [
        ("nodejs", "var x = {;", 1), ("nodejs", "let a = 1;\n\nlet a b;", 3), ("python3", "x = 1\nif x\n  y", 2),
        ("php", "<?php\nreturn [;", 2), ("php", "use Foo\\Bar;", 1),
    ])
    func whatDoesNotParseIsRefusedWithItsLine(language: String, script: String, line: Int) async throws {
        let tenant = try await Self.tenant.value
        let reply = try await tenant.administer(
            "POST", "service",
            #"{"name":"broken","type":"\#(language)","config":{"content":\#(JSONText.quoted(script))}}"#)
        #expect(reply.status == 400)
        let error = try JSONText(checking: reply.body)["error"]
        #expect(error?["context"]?["line"]?.integer == line, "\(reply.text)")
        #expect(try await tenant.send("GET", "/api/v2/broken").status == 404)
    }
}
