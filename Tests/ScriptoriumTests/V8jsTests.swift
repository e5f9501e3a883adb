import Core
import Outbound
import TestSupport
import Testing

/// JavaScript in a bare context, as scripts for DreamFactory's V8js engine expect it (dreamfactory.md §2.7, contract.md §10).
@Suite struct V8jsTests {
    private func tenant() async throws -> TestTenant { try await TestInstallation.shared().tenant() }

    private func log(_ reply: HTTPReply, _ tenant: TestTenant) async throws -> [String] {
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let log = try await tenant.send("GET", "/api/v2/jobs/\(job)/logs")
        return try JSONText(checking: log.body)["resource"]?.elements.compactMap { $0["text"]?.string } ?? []
    }

    /// A script, and the status and body that it comes to.
    static let rows: [(source: String, status: Int, body: String)] = [
        ("", 200, ""),
        ("return 5;", 200, "5"),
        ("return 'str';", 200, #""str""#),
        ("return [];", 200, ""),
        ("return [1,2];", 200, "[1,2]"),
        ("return {a:{},b:[],c:1.0,d:'é'};", 200, #"{"a":{},"b":[],"c":1,"d":"é"}"#),
        ("event.response.content = {test:'v'}; event.response.status_code = 400; return;", 400, #"{"test":"v"}"#),
        ("event.response.content = {a:1}; return {b:2};", 200, #"{"b":2}"#),
        ("event.response = {foo:1};", 200, #"{"foo":1}"#),
        ("return {content:{a:1},status_code:201,headers:{'X-A':'b'}};", 201, #"{"a":1}"#),
        ("return event;", 200, ""),
        ("return event.request.parameters;", 200, #"{"n":"1"}"#),
        (
            "return [event.request.method, event.resource, event.name, _event === event, _platform === platform];", 200,
            #"["GET","sub","bare.sub.get",true,true]"#
        ),
        ("return platform.config.df.api_version + platform.config.api_version;", 200, #""2.02.0""#),
        ("exit();", 200, ""),
        ("sleep(0.01); return {slept: 1};", 200, #"{"slept":1}"#),
        ("return require('lodash.min.js').map([1,2], function (n) { return n * 2; });", 200, "[2,4]"),
        ("var _ = require('lodash')._; return _.chunk(['a','b','c'], 2);", 200, #"[["a","b"],["c"]]"#),
        ("platform.store.set('k', {a:[1]}); return platform.store.get('k');", 200, #"{"a":[1]}"#),
        // None of Node's globals, and no way to them.
        (
            """
            return ['process','module','Buffer','setTimeout','setImmediate','global','fetch','queueMicrotask','__filename']
                .filter(function (name) { return typeof globalThis[name] !== 'undefined'; }).length + 1;
            """, 200, "1"
        ),
        (
            """
            var things = [globalThis, event, platform, platform.api, platform.api.get, platform.store, print, var_dump, sleep,
                require, console, console.log, require('lodash'), platform.api.get('nothing')];
            try { platform.store.get(''); } catch (error) { things.push(error); }
            try { require('fs'); } catch (error) { things.push(error); }
            try { (function f() { f(); })(); } catch (error) { things.push(error); }
            try { null.x; } catch (error) { things.push(error); }
            var worlds = things.map(function (thing) {
                try { return thing.constructor.constructor('return typeof process')(); } catch (error) { return 'undefined'; }
            });
            return {count: things.length, open: worlds.filter(function (w) { return w !== 'undefined'; })};
            """, 200, #"{"count":18,"open":[]}"#
        ),
        (
            """
            var open = [];
            Error.prepareStackTrace = function (error, calls) {
                calls.forEach(function (call) {
                    [call.getThis(), call.getFunction()].forEach(function (thing) {
                        if (thing && thing.constructor) {
                            try { thing.constructor.constructor('return process')(); open.push(1); } catch (e) {}
                        }
                    });
                });
                return '';
            };
            new Error().stack;
            var deep = function () { try { deep(); } catch (e) { try { platform.api.get('x'); } catch (f) {
                try { f.constructor.constructor('return process')(); open.push(f.message); } catch (g) {} } } };
            deep();
            return {open: open.length};
            """, 200, #"{"open":0}"#
        ),
    ]

    @Test(arguments: rows.indices)
    func aScriptComesTo(row: Int) async throws {
        let (source, status, body) = Self.rows[row]
        let tenant = try await tenant()
        try await tenant.save("bare", "v8js", source)
        let reply = try await tenant.send("GET", "/api/v2/bare/sub?n=1")
        #expect(reply.status == status, "\(reply.text)")
        #expect(reply.text == body, "\(source)")
    }

    /// A script that fails, and the error's status, code and message.
    static let failures: [(source: String, status: Int, code: Int, message: String, line: Int?)] = [
        ("throw 'text';", 500, 500, "text", nil),
        ("\nthrow new Error('boom');", 500, 500, "boom", 2),
        ("var e = new Error('m'); e.code = 42; throw e;", 500, 42, "m", 1),
        ("return {error: 'bad'};", 500, 500, "bad", nil),
        ("event.exception = {message: 'custom', code: 77, status_code: 409};", 409, 77, "custom", nil),
        ("return {n: 0/0};", 500, 500, "The result can not be written as JSON: n: NaN is not a number in JSON", nil),
        (
            "require('fs');", 500, 500, "Cannot find module 'fs': a v8js script has lodash only; type nodejs has more",
            nil
        ),
        ("return setTimeout(function () {}, 1);", 500, 500, "setTimeout is not defined", 1),
    ]

    @Test(arguments: failures.indices)
    func aScriptFails(row: Int) async throws {
        let (source, status, code, message, line) = Self.failures[row]
        let tenant = try await tenant()
        try await tenant.save("bare", "v8js", source)
        let reply = try await tenant.send("GET", "/api/v2/bare")
        #expect(reply.status == status)
        let error = try #require(try JSONText(checking: reply.body)["error"])
        #expect(error["message"]?.string == message)
        #expect(error["code"]?.integer == code)
        guard let line else { return }
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)").body)
        #expect(record["error"]?["line"]?.integer == line)
    }

    @Test func aScriptThatDoesNotParseIsRefusedWithItsPlace() async throws {
        let tenant = try await tenant()
        let reply = try await tenant.administer(
            "POST", "service", #"{"name":"bare","type":"v8js","config":{"content":"var a;\nvar x = {;"}}"#)
        #expect(reply.status == 400)
        let context = try JSONText(checking: reply.body)["error"]?["context"]
        #expect(context?["line"]?.integer == 2)
        #expect(context?["column"]?.integer == 10)
    }

    @Test func callsWaitAndTheirContentIsParsed() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "echo", "nodejs",
            "const r = event.request; return {content: {m: r.method, q: r.parameters, p: r.payload}, status_code: 201};"
        )
        try await tenant.save(
            "bare", "v8js",
            """
            var api = platform.api, all = [
                api.get('echo', null, {parameters: {a: 'x y', b: {c: 1}}}), api.post('echo', {n: [1]}), api.put('echo', '{"t":1}'),
                api.patch('echo', {}), api.delete('echo'), api.call('GET', 'echo?z=1')
            ];
            var first = api.get('echo');
            if (first.status_code !== 201 || first.content_type !== 'application/json' || first.format !== 1) return first;
            var none = api.get('nothing');
            return {all: all.map(function (r) { return r.content; }), missing: [none.status_code, none.content.error.code]};
            """)
        let reply = try await tenant.send("GET", "/api/v2/bare")
        #expect(
            reply.text == """
                {"all":[{"m":"GET","q":{"a":"x y","b":{"c":"1"}},"p":{}},{"m":"POST","q":{},"p":{"n":[1]}},\
                {"m":"PUT","q":{},"p":{"t":1}},{"m":"PATCH","q":{},"p":{}},{"m":"DELETE","q":{},"p":{}},\
                {"m":"GET","q":{"z":"1"},"p":{}}],"missing":[404,404]}
                """)
        // A result can be the response as it is.
        try await tenant.save("through", "v8js", "return platform.api.post('echo', {n: 1});")
        let through = try await tenant.send("GET", "/api/v2/through")
        #expect(through.status == 201)
        #expect(through.text == #"{"m":"POST","q":{},"p":{"n":1}}"#)
    }

    @Test func whatIsPrintedIsLogged() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "bare", "v8js", "print('one', {a: 1}); var_dump({b: [1.5, null, 'x', true]}); console.log(2);")
        let reply = try await tenant.send("GET", "/api/v2/bare")
        #expect(
            try await log(reply, tenant) == [
                #"one {"a":1}"#, "object(Object)(1) {", #"  ["b"]=>"#, "  array(4) {", "    [0]=>", "    float(1.5)",
                "    [1]=>", "    NULL", "    [2]=>", #"    string(1) "x""#, "    [3]=>", "    bool(true)", "  }", "}",
                "2",
            ])
    }

    @Test func aScriptThatLoopsIsStopped() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"wall_seconds":0.5}"#)
        try await tenant.save("bare", "v8js", "for (;;) {}")
        let reply = try await tenant.send("GET", "/api/v2/bare")
        #expect(reply.status == 504)
    }

    @Test func itIsAScriptTypeOfItsOwn() async throws {
        let tenant = try await tenant()
        let type = try await tenant.administer("GET", "script_type/v8js")
        let isContained = try await HostSandbox.tier() > .none
        #expect(
            type.text
                == #"{"name":"v8js","label":"V8js","description":"Server-side JavaScript handler using the V8js engine.","sandboxed":\#(isContained),"supports_inline_execution":false}"#
        )
    }
}
