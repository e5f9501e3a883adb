import Core
import Execution
import Testing

/// `platform.api` as scripts in Node.js call it (dreamfactory.md §2.4).
@Suite struct NodeCallTests {
    let executor = Shared.executor

    /// A call, and what it asks of the platform: verb, path, headers, parameters, body.
    static let asked: [(call: String, asks: String)] = [
        ("get('a/b')", "GET a/b"),
        ("get('/api/v2/a?x=1')", "GET /api/v2/a?x=1"),
        ("get('a', '')", "GET a"),
        ("get('a', null, () => {})", "GET a"),
        ("get('a', () => {})", "GET a"),
        ("get('a', {headers: {'X-A': 1}, parameters: {q: 'a b&c', n: null}})", "GET a X-A:1 ?q=a b&c ?n="),
        ("get('a', {parameters: {f: {g: [1, true]}}})", "GET a ?f[g][0]=1 ?f[g][1]=true"),
        ("get('a', {headers: {'X-A': 'b'}})", "GET a X-A:b"),
        ("get('a', {parameters: {}, 'X-Not': 'a header'})", "GET a"),
        ("get('a', {'Content-Type': 'text/csv', 'Content-Length': 3})", "GET a Content-Type:text/csv Content-Length:3"),
        ("post('a', {n: 1})", #"POST a {"n":1} application/json"#),
        ("post('a', [1])", "POST a [1] application/json"),
        ("post('a', '{\"n\":1}')", #"POST a {"n":1}"#),
        ("post('a', 'text', {'Content-Type': 'text/plain'})", "POST a Content-Type:text/plain text"),
        ("post('a', null, null, () => {})", "POST a"),
        ("post('a', '', '', () => {})", "POST a"),
        ("post('a', () => {})", "POST a"),
        ("post('a', {n: 1}, () => {})", #"POST a {"n":1} application/json"#),
        ("post('a', Buffer.from('bytes'))", "POST a bytes"),
        ("put('a/1', 5)", "PUT a/1 5"),
        ("patch('a/1', {n: [null]})", #"PATCH a/1 {"n":[null]} application/json"#),
        ("delete('a/1')", "DELETE a/1"),
        ("delete('a', {ids: [1]}, '')", #"DELETE a {"ids":[1]} application/json"#),
        ("delete('a', null, {parameters: {force: true}}, () => {})", "DELETE a ?force=true"),
        ("call('get', 'a', '', {headers: {x: 'y'}}, () => {})", "GET a x:y"),
        ("call('MERGE', 'a', {n: 1})", #"MERGE a {"n":1} application/json"#),
    ]

    @Test(arguments: asked) func `A call asks for what it says`(call: String, asks: String) async throws {
        let host = TestHost(CallTests.echo)
        let report = await executor.run(.nodejs, "platform.api.\(call);", host: host)
        #expect(report.result?.error == nil)
        let made = try #require(host.calls.first)
        #expect(host.calls.count == 1)
        let parts =
            [made.verb, made.path] + made.headers.map { "\($0.name):\($0.value)" }
            + made.parameters.map { "?\($0.name)=\($0.value)" } + [String(decoding: made.body, as: UTF8.self)]
            + [made.contentType ?? ""]
        #expect(parts.filter { !$0.isEmpty }.joined(separator: " ") == asks)
    }

    /// A script that calls a service which answers 404, `{"a":"é"}`.
    static let answered: [(script: String, gives: String)] = [
        (
            "platform.api.get('x', '', (body, res) => event.setReturn([body, res.statusCode, res.statusMessage, res.headers['x-b']]));",
            #"["{\"a\":\"é\"}",404,"Not Found","c, d"]"#
        ),
        (
            "platform.api.get('x').on('response', (res) => { let all = ''; res.setEncoding('utf8'); res.on('data', (t) => all += t).on('end', () => event.setReturn(all)); });",
            #""{\"a\":\"é\"}""#
        ),
        ("return platform.api.get('x').then((res) => JSON.parse(res.body));", #"{"a":"é"}"#),
        ("return (async () => (await platform.api.get('x')).statusCode)();", "404"),
        ("return platform.api.get('x', '', (body) => body.length);", "9"),
        (
            "return platform.api.get('x');",
            #"{"statusCode":404,"statusMessage":"Not Found","headers":{"x-b":"c, d"},"body":"{\"a\":\"é\"}"}"#
        ),
        (
            "return platform.api.get('x', '', (body, res) => Object.keys({...res}));",
            #"["statusCode","statusMessage","headers","body"]"#
        ),
        ("platform.api.get('x').on('error', () => {}).on('socket', () => {}).setTimeout(5).end(); return 1;", "1"),
        (
            "return Promise.allSettled([platform.api.get('x'), platform.api.get('y')]).then((all) => all.map((one) => one.value.statusCode));",
            "[404,404]"
        ),
        // Calls within calls end the script only when the last is over.
        (
            "platform.api.get('x', '', () => platform.api.get('y', '', () => setTimeout(() => event.setReturn('last'), 5)));",
            #""last""#
        ),
    ]

    @Test(arguments: answered) func `A call is answered as Node's own would be`(script: String, gives: String)
        async throws
    {
        let host = TestHost { _ in
            APIReply(status: 404, headers: [("x-b", "c"), ("x-b", "d")], body: Array(#"{"a":"é"}"#.utf8))
        }
        #expect(try await executor.value(.nodejs, script, host: host).text == gives)
    }

    /// What goes wrong in a callback is the script's failure, at its line.
    @Test(arguments: [
        "platform.api.get('x', '',\n() => { throw new Error('in it') });",
        "platform.api.get('x').on('response',\n() => { throw new Error('in it') });",
        "platform.api.get('x', '',\nasync () => { throw new Error('in it') });",
        "platform.api.get('x').then(\n() => { throw new Error('in it') });",
        "return platform.api.get('x', '',\n() => { throw new Error('in it') });",
        "return (async () => { await platform.api.get('x');\nthrow new Error('in it'); })();",
    ])
    func `What a callback throws fails the script`(script: String) async throws {
        let error = try #require(await executor.run(.nodejs, script, host: TestHost(CallTests.echo)).result?.error)
        #expect(error.message == "in it")
        #expect(error.line == 2)
    }

    @Test func `A payload that JSON can not hold is told to the script`() async throws {
        let host = TestHost(CallTests.echo)
        let source = "try { platform.api.post('x', {n: 1n}) } catch (error) { return error.name }"
        #expect(try await executor.value(.nodejs, source, host: host).string == "TypeError")
        #expect(host.calls.isEmpty)
    }
}
