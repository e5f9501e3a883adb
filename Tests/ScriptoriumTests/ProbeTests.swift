import Core
import Outbound
import Synchronization
import TestSupport
import Testing

/// The golden probes of the reference, as HTTP gives them with `Accept: application/json`.
@Suite struct ProbeTests {
    @Test(arguments: Probe.nodejs + Probe.nodejsPrecedence + Probe.nodejsHabits + Probe.nodejsLibraries)
    func nodejs(probe: Probe) async throws { try await check(probe, "nodejs") }
    @Test(arguments: Probe.python3) func python3(probe: Probe) async throws { try await check(probe, "python3") }
    @Test(.enabled(if: Python2.isHere, "\(Python2.absence)"), arguments: Probe.python2)
    func python(probe: Probe) async throws { try await check(probe, "python") }
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
        if let body = probe.body { #expect(reply.text == body.replacing("NAME", with: name)) }
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
            let type = probe.isPrinted ? "text/html" : "application/json"
            #expect(reply.header("Content-Type")?.hasPrefix(type) == true)
        }
        if let log = probe.logs {
            let job = try #require(reply.header("X-Scriptorium-Job"))
            let logs = try await tenant.send("GET", "/api/v2/jobs/\(job)/logs")
            let lines = try JSONText(checking: logs.body)["resource"]?.elements.compactMap { $0["text"]?.string }
            #expect(lines?.joined(separator: "\n") == log.replacing("NAME", with: name))
        }
    }

    /// A script that does not parse can not be saved; the reference runs it and fails.
    @Test(arguments: [
        ("nodejs", "var x = {;", 1), ("nodejs", "let a = 1;\n\nlet a b;", 3), ("python3", "x = 1\nif x\n  y", 2),
        ("php", "<?php\nreturn [;", 2), ("php", "use Foo\\Bar;", 1),
        ("php", "$a = 1;\n}; function () {", 2),
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

    /// Those of Python 2 only where it is; its probes say when it is not.
    static let askers = [
        (
            "php",
            "$r = $platform['api']->get('echo', null, ['parameters' => ['q' => 'a b&c=é', 'n' => [1, 2]]]); return $r['content'];"
        ),
        ("php", "return $platform['api']->get('echo/?q=a b%26c=é&n[0]=1&n[1]=2')['content'];"),
        (
            "python3",
            "return json.loads(platform.api.get('echo', {'parameters': {'q': 'a b&c=é', 'n': [1, 2]}}).read())"
        ),
        ("python3", "return json.loads(platform.api.get('/echo/?q=a b%26c=é&n[0]=1&n[1]=2').read())"),
        ("python", "return json.loads(platform.api.get('echo', {'parameters': {'q': 'a b&c=é', 'n': [1, 2]}}).read())"),
        ("python", "return json.loads(platform.api.get(u'/echo/?q=a b%26c=é&n[0]=1&n[1]=2').read())"),
    ].filter { $0.0 != "python" || Python2.isHere }

    @Test(arguments: askers)
    func parametersArriveAsTheyAre(language: String, script: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("echo", "nodejs", "return event.request.parameters;")
        try await tenant.save("asks", language, script)
        let reply = try await tenant.send("GET", "/api/v2/asks")
        let body = try JSONText(checking: reply.body)
        #expect(body["q"]?.string == "a b&c=é", "\(reply.text)")
        #expect(body["n"]?.text == #"["1","2"]"#, "\(reply.text)")
    }

    @Test func aBatchTellsWhichOfItsRequestsFailed() async throws {
        let tenant = try await Self.tenant.value
        let script = """
            $bad = new \\DreamFactory\\Core\\Exceptions\\NotFoundException('gone', 7, null, ['id' => 3]);
            throw new \\DreamFactory\\Core\\Exceptions\\BatchException([$bad, ['id' => 4], new \\Exception('odd')], 'some');
            """
        try await tenant.save("batch", "php", script)
        let reply = try await tenant.send("GET", "/api/v2/batch")
        #expect(reply.status == 400)
        let error = try #require(try JSONText(checking: reply.body)["error"])
        #expect(error["code"]?.integer == 1000)
        let context = error["context"]
        #expect(context?["error"]?.text == "[0,2]")
        #expect(
            context?["resource"]?.text
                == #"[{"code":7,"context":{"id":3},"message":"gone","status_code":404},{"id":4},{"code":500,"message":"odd"}]"#
        )
        #expect(context?["job_id"]?.string == reply.header("X-Scriptorium-Job"))
    }
}
