import Core
import Outbound
import TestSupport
import Testing

/// What a script may do to its response, and what it may not.
@Suite struct RenderingTests {
    private static let tenant = Task { try await TestInstallation.shared().tenant() }

    private func answer(
        _ name: String, _ language: String, _ script: String, config: String = "",
        headers: [(name: String, value: String)] = []
    ) async throws -> HTTPReply {
        let tenant = try await Self.tenant.value
        try await tenant.save(name, language, script, config: config)
        return try await tenant.send("GET", "/api/v2/\(name)", headers: headers)
    }

    @Test func aScriptCanNotFrameItsResponse() async throws {
        let exit = try await answer(
            "smuggle-exit", "php",
            "header('Content-Length: 0'); header('Transfer-Encoding: chunked'); header('X-Own: yes'); "
                + "header('Content-Type: text/plain'); exit('HTTP/1.1 200 OK');")
        #expect(exit.text == "HTTP/1.1 200 OK")
        #expect(exit.headers.filter { $0.name.lowercased() == "content-type" }.map(\.value) == ["text/plain"])
        #expect(exit.header("Content-Length") == "15")
        #expect(exit.header("X-Own") == "yes")
        let returned = try await answer(
            "smuggle-return", "nodejs",
            "return {content:'abc', headers:{'Content-Length':'1','X-A':'b\\r\\nX-B: c','X-C':'d'}};")
        #expect(returned.text == "\"abc\"")
        #expect(returned.header("X-A") == nil)
        #expect(returned.header("X-B") == nil)
        #expect(returned.header("X-C") == "d")
    }

    @Test func aResponseHasSoManyHeadersAndNoMore() async throws {
        let script = "return {'content': 1, 'headers': {f'X-{n}': 'v' * %s for n in range(%s)}}"
        func reply(_ count: Int, of bytes: Int) async throws -> HTTPReply {
            try await answer(
                "headers-\(count)-\(bytes)", "python3",
                script.replacing("%s for", with: "\(bytes) for").replacing("%s", with: "\(count)"))
        }
        #expect(try await reply(90, of: 300).header("X-89")?.count == 300)
        for (count, bytes) in [(5000, 1), (90, 400)] {
            let refused = try await reply(count, of: bytes)
            #expect(refused.status == 500)
            #expect(refused.text.contains("at most 100 with 32 KiB together"), "\(refused.text)")
        }
        let printed = try await answer(
            "headers-exit", "php", "for ($n = 0; $n < 5000; $n++) header(\"X-$n: v\"); exit('text');")
        #expect(printed.text.contains("at most 100"), "\(printed.text)")
    }

    @Test func aScriptThatIsOutOfMemoryHearsOfTheLimit() async throws {
        let reply = try await answer(
            "hoarder", "nodejs", "const all = []; while (true) all.push(Buffer.alloc(1 << 20, 1));")
        #expect(reply.status == 500)
        #expect(reply.text.contains("memory_bytes") && reply.text.contains("256 MiB"), "\(reply.text)")
        #expect(!reply.text.contains("0x"))
    }

    @Test func aResponseWithAKeyResponseIsABody() async throws {
        let kept = try await answer("nested", "python3", "event.response = {'response': 'ok', 'id': 1}")
        #expect(kept.text == #"{"response":"ok","id":1}"#)
        let unwrapped = try await answer("unwrapped", "python3", "return {'response': {'content': {'a': 1}}}")
        #expect(unwrapped.text == #"{"a":1}"#)
    }

    @Test func theLimitNamedIsTheOneThatWasSet() async throws {
        let reply = try await answer(
            "endless", "python3", "while True: pass", config: #","wall_seconds":0.4"#)
        #expect(reply.status == 504)
        #expect(reply.text.contains("0.4 s (wall_seconds)"), "\(reply.text)")
    }

    @Test func aScriptsErrorAsProblemDetails() async throws {
        let reply = try await answer(
            "thrower", "nodejs", "throw new Error('boom');",
            headers: [(name: "Accept", value: "application/problem+json")])
        #expect(reply.status == 500)
        #expect(reply.header("Content-Type") == "application/problem+json")
        #expect(try JSONText(checking: reply.body)["detail"]?.string == "boom")
    }

    @Test func pathsStepNowhere() async throws {
        let tenant = try await Self.tenant.value
        try await tenant.save("where", "python3", "return {'r': event.resource}")
        let reply = try await tenant.send("GET", "/api/v2/where/a/..%2f..%2fetc/./b%20c/")
        #expect(reply.text == #"{"r":"a/etc/b c"}"#)
        try await tenant.save(
            "caller", "python3",
            "import json\nr = platform.api.get('where/x?url=http://example.test/')\nreturn json.loads(r.read())")
        #expect(try await tenant.send("GET", "/api/v2/caller").text == #"{"r":"x"}"#)
    }

    /// A form of 300 000 fields must not hold a worker's threads.
    @Test func aHugeFormIsReadInNoTime() async throws {
        let tenant = try await Self.tenant.value
        try await tenant.save("form", "python3", "return {'n': len(event.request.payload)}")
        let form = (0..<300_000).map { "a\($0)=1" }.joined(separator: "&")
        let reply = try await tenant.raw(
            "POST", "/api/v2/form", Array(form.utf8),
            headers: [
                (name: "X-API-Key", value: tenant.apiKey),
                (name: "Content-Type", value: "application/x-www-form-urlencoded"),
            ])
        #expect(reply.text == #"{"n":1000}"#)
    }

    /// Scripts that call each other share what one job may use.
    @Test func callsAreCountedOverTheWholeJob() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"api_calls":3,"call_depth":5}"#)
        try await tenant.save("end", "php", "return 1;")
        try await tenant.save(
            "two", "python3", "return [platform.api.get('end').status, platform.api.get('end').status]")
        try await tenant.save(
            "all", "python3",
            "import json\nr = [json.loads(platform.api.get('two').read())]\n"
                + "r.append(platform.api.get('end').status)\nreturn r")
        #expect(try await tenant.send("GET", "/api/v2/all").text == "[[200,200],429]")
    }
}
