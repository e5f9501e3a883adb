import Core
import Execution
import Synchronization
import TestSupport
import Testing

/// What a script asks of the platform.
@Suite struct CallTests {
    let executor = Shared.executor

    static let echo: @Sendable (APICall) async -> APIReply = { call in
        let body = JSONText.object([("path", .string(call.path)), ("verb", .string(call.verb))])
        return APIReply(
            status: 201, headers: [("content-type", "application/json")], body: Array(body.text.utf8))
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A call is answered`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "return platform.api.post('db/items?limit=1', {a: [1]});",
            php: "return $platform['api']->post('db/items?limit=1', ['a' => [1]]);",
            python3: """
                reply = platform.api.post('db/items?limit=1', {'a': [1]})
                return {'status': reply.status, 'content': json.loads(reply.read())}
                """)
        let host = TestHost(Self.echo)
        let value = try await executor.value(language, sources[language], host: host)
        #expect(value.text.replacing("\\", with: "").contains("db/items?limit=1"))
        let call = try #require(host.calls.first)
        #expect(call.verb == "POST")
        #expect(call.path == "db/items?limit=1")
        #expect(String(decoding: call.body, as: UTF8.self).filter { $0 != " " } == #"{"a":[1]}"#)
        #expect(call.contentType == "application/json")
    }

    @Test func `Several calls of one script are under way at once`() async throws {
        let most = Mutex((now: 0, most: 0))
        let host = TestHost { call in
            most.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            try? await Task.sleep(for: .milliseconds(20))
            most.withLock { $0.now -= 1 }
            return await Self.echo(call)
        }
        let source =
            "return Promise.all([...Array(40).keys()].map((n) => platform.api.get('n/' + n))).then((all) => all.length);"
        let value = try await executor.value(.nodejs, source, host: host)
        #expect(value.integer == 40)
        #expect(Set(host.calls.map(\.path)).count == 40)
        let seen = most.withLock(\.most)
        #expect(seen > 1)
        #expect(seen <= 16)
    }

    @Test func `Calls beyond the limit are refused and reach nobody`() async throws {
        let host = TestHost(Self.echo)
        let source = "return [platform.api.get('x').status for n in range(4)]"
        let report = await executor.run(.python3, source, apiCalls: 2, host: host)
        #expect(report.result?.returned?.elements.map(\.integer) == [201, 201, 429, 429])
        #expect(host.calls.count == 2)
    }

    @Test func `Bytes that are no text pass both ways`() async throws {
        let bytes: [UInt8] = Array(0...255)
        let host = TestHost { APIReply(status: 200, headers: [], body: $0.body) }
        let source = "return list(platform.api.post('x', bytes(range(256))).read())"
        let value = try await executor.value(.python3, source, host: host)
        #expect(value.elements.map(\.integer) == bytes.map { Int($0) })
        #expect(host.calls.first?.body == bytes)
    }

    @Test func `A request that can not be read is a violation`() async {
        let source = "import os, struct\nos.write(3, struct.pack('<IB', 2, 2) + b'[]')\nwhile True: pass"
        let report = await executor.run(.python3, source)
        guard case .violation = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
    }

    @Test func `A call that is under way ends with its script`() async throws {
        let wasCancelled = Mutex(false)
        let host = TestHost { call in
            do { try await Task.sleep(for: .seconds(60)) } catch { wasCancelled.withLock { $0 = true } }
            return await Self.echo(call)
        }
        let task = Task { await executor.run(.python3, "platform.api.get('x')", host: host) }
        try await eventually("the script calls") { !host.calls.isEmpty }
        task.cancel()
        _ = await task.value
        #expect(wasCancelled.withLock { $0 })
    }
}
