import Core
import Outbound
import TestSupport
import Testing

/// Scripts on the events of script services: order, effects and rights (dreamfactory.md §7, contract.md §10). All calls go
/// to the ingress that the scripts were saved through, which knows them at once.
@Suite struct EventTests {
    private static let doc = """
        ,"service_doc_by_service_id":{"format":0,"content":\
        "{\\"openapi\\":\\"3.0.0\\",\\"paths\\":{\\"/item/{id}\\":{\\"get\\":{},\\"put\\":{}},\\"/add\\":{\\"get\\":{}}}}"}
        """

    /// A tenant with a service `shop` that answers with what it was asked.
    private func shop(_ source: String? = nil) async throws -> TestTenant {
        let tenant = try await TestInstallation.shared().tenant()
        let echo = """
            const r = event.request;
            return {method: r.method, resource: event.resource, q: r.parameters, payload: r.payload, x: r.headers['x-a']};
            """
        let reply = try await tenant.administer(
            "POST", "service",
            #"{"name":"shop","type":"nodejs","config":{"content":\#(JSONText.quoted(source ?? echo))}\#(Self.doc)}"#,
            ingress: 0)
        try #require(reply.status == 201, "\(reply.text)")
        return tenant
    }

    private func log(_ reply: HTTPReply, _ tenant: TestTenant) async throws -> [String] {
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let log = try await tenant.send("GET", "/api/v2/jobs/\(job)/logs")
        return try JSONText(checking: log.body)["resource"]?.elements.compactMap { $0["text"]?.string } ?? []
    }

    @Test func scriptsRunAroundTheServiceTheGeneralOnesFirst() async throws {
        let tenant = try await shop("console.log('service'); return {ok: 1};")
        let say = "console.log(event.script_name, event.name, event.stage, JSON.stringify(event.resource));"
        for event in ["shop.item.{id}.get", "shop.item.5.get"] {
            for stage in [".pre_process", ".post_process", ""] { try await tenant.bind(event + stage, "nodejs", say) }
        }
        let reply = try await tenant.send("GET", "/api/v2/shop/item/5", ingress: 0)
        #expect(reply.text == #"{"ok":1}"#)
        let general = #"shop.item.{id}.get"#
        let specific = "shop.item.5.get"
        let map = #"{"{id}":"5"}"#
        #expect(
            try await log(reply, tenant) == [
                "\(general).pre_process \(general) pre_process \(map)",
                "\(specific).pre_process \(specific) pre_process \(map)",
                "service",
                "\(general).post_process \(general) post_process \(map)",
                "\(specific).post_process \(specific) post_process \(map)",
                "\(general) \(general) api \(map)",
                "\(specific) \(specific) api \(map)",
            ])
    }

    @Test func stoppedPropagationSkipsTheOthersOfItsStage() async throws {
        let tenant = try await shop("console.log('service'); return {ok: 1};")
        let stop = "console.log(event.script_name); event.stop_propagation = true;"
        for event in ["shop.item.{id}.get", "shop.item.5.get"] {
            for stage in [".pre_process", ".post_process", ""] { try await tenant.bind(event + stage, "nodejs", stop) }
        }
        let reply = try await tenant.send("GET", "/api/v2/shop/item/5", ingress: 0)
        #expect(
            try await log(reply, tenant) == [
                "shop.item.{id}.get.pre_process", "service", "shop.item.{id}.get.post_process", "shop.item.{id}.get",
            ])
    }

    /// What a script before the service does, whether it may, and what the caller gets.
    static let before: [(language: String, source: String, allowed: String, ignored: String)] = [
        (
            "nodejs", "event.request.payload.a = 2;",
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"a":2},"x":"h"}"#, ""
        ),
        (
            "php", "$event['request']['payload']['a'] = 2;",
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"a":2},"x":"h"}"#, ""
        ),
        (
            "python3", "event.request.payload.a = 2",
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"a":2},"x":"h"}"#, ""
        ),
        (
            "nodejs", #"event.request.content = '{"a":3}';"#,
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"a":3},"x":"h"}"#, ""
        ),
        (
            "nodejs", "event.request.parameters = {n: [1, 2], m: {o: 'p q'}}; event.request.method = 'MERGE';",
            #"{"method":"PATCH","resource":"item/7","q":{"n":["1","2"],"m":{"o":"p q"}},"payload":{"a":1},"x":"h"}"#, ""
        ),
        (
            "php", "$event['request']['headers']['x-a'] = 'new'; unset($event['request']['parameters']['k']);",
            #"{"method":"PUT","resource":"item/7","q":{},"payload":{"a":1},"x":"new"}"#, ""
        ),
        (
            "nodejs", "event.request.payload.a = 2; return {request: {payload: {b: 1}}};",
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"b":1},"x":"h"}"#, ""
        ),
        ("nodejs", "event.response = {content: {short: 1}, status_code: 200};", #"{"short":1}"#, ""),
        (
            "nodejs", "event.setRequest({...event.request, payload: {c: 1}});",
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"c":1},"x":"h"}"#, ""
        ),
        (
            "nodejs", "setTimeout(() => event.setRequest({payload: {c: 2}}), 5);",
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"c":2},"x":"h"}"#, ""
        ),
        (
            "nodejs", "return Promise.resolve({request: {payload: {c: 3}}});",
            #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"c":3},"x":"h"}"#, ""
        ),
        ("nodejs", "setTimeout(() => event.setResponse({short: 6}), 5);", #"{"short":6}"#, ""),
        ("nodejs", "event.setResponse({short: 2});", #"{"short":2}"#, ""),
        ("python3", "event.response = {'content': {'short': 3}}", #"{"short":3}"#, ""),
        ("php", "$event['response'] = ['content' => ['short' => 4]];", #"{"short":4}"#, ""),
        ("nodejs", "event.response.content = {short: 5};", #"{"short":5}"#, ""),
        ("nodejs", "return {response: 'plain'};", #""plain""#, ""),
    ]

    @Test(arguments: before.indices)
    func whatAScriptBeforeTheServiceDoesCountsWhereItMay(row: Int) async throws {
        let (language, source, allowed, _) = Self.before[row]
        let tenant = try await shop()
        let untouched = #"{"method":"PUT","resource":"item/7","q":{"k":"v"},"payload":{"a":1},"x":"h"}"#
        for (modifies, expected) in [(false, untouched), (true, allowed)] {
            try await tenant.bind("shop.item.{id}.put.pre_process", language, source, modifies: modifies)
            let reply = try await tenant.send(
                "PUT", "/api/v2/shop/item/7?k=v", #"{"a": 1}"#, headers: [(name: "X-A", value: "h")], ingress: 0)
            #expect(reply.text == expected, "\(source) modifies: \(modifies)")
        }
    }

    @Test(arguments: [
        ("nodejs", "event.response.status_code = 409;"), ("python3", "event.response.status_code = 409"),
        ("php", "$event['response']['status_code'] = 409;"),
    ])
    func aStatusAloneIsAResponse(language: String, source: String) async throws {
        let tenant = try await shop()
        try await tenant.bind("shop.get.pre_process", language, source, modifies: true)
        let reply = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(reply.status == 409)
        #expect(reply.text == "")
    }

    @Test func aTouchedEventWithoutChangesKeepsTheBodyByteForByte() async throws {
        let tenant = try await shop("return {raw: event.request.content};")
        try await tenant.bind(
            "shop.put.pre_process", "php", "$event['request']['parameters']['x'] = 'y';", modifies: true)
        let body = #"{"n": 12345678901234567890.10, "e": {}, "l": []}"#
        let reply = try await tenant.send("PUT", "/api/v2/shop", body, ingress: 0)
        #expect(try JSONText(checking: reply.body)["raw"]?.string == body)
    }

    /// Scripts before and after the service that end the call in an error, allowed to change anything or not.
    static let failing: [(language: String, source: String, status: Int, message: String)] = [
        ("nodejs", "throw new Error('no');", 500, "no"),
        ("python3", "raise ValueError('no')", 500, "no"),
        ("php", "throw new \\DreamFactory\\Core\\Exceptions\\ForbiddenException('no');", 403, "no"),
        ("nodejs", "event.exception = {message: 'no', code: 9, status_code: 409};", 409, "no"),
        ("php", "return ['error' => ['message' => 'no']];", 500, "no"),
    ]

    @Test(arguments: failing.indices, ["pre_process", "post_process", ""])
    func anExceptionEndsTheCall(row: Int, stage: String) async throws {
        let (language, source, status, message) = Self.failing[row]
        let tenant = try await shop("console.log('service'); return {ok: 1};")
        try await tenant.bind(stage.isEmpty ? "shop.get" : "shop.get.\(stage)", language, source)
        let reply = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(reply.status == status)
        #expect(try JSONText(checking: reply.body)["error"]?["message"]?.string == message)
        #expect(try await log(reply, tenant).contains("service") == (stage != "pre_process"))
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let record = try await tenant.send("GET", "/api/v2/jobs/\(job)")
        #expect(try JSONText(checking: record.body)["status"]?.string == "failed")
    }

    /// What a script after the service does to `{"a":1,"n":1.50}`, and what the caller gets where it may.
    static let after: [(language: String, source: String, status: Int, body: String)] = [
        ("nodejs", "event.response.content.b = 2;", 200, #"{"a":1,"n":1.5,"b":2}"#),
        ("php", "$event['response']['content']['b'] = 2;", 200, #"{"a":1,"n":1.5,"b":2}"#),
        ("python3", "event.response.content.b = 2", 200, #"{"a":1,"n":1.5,"b":2}"#),
        // What was not touched goes out as it was written.
        ("nodejs", "event.response.status_code = 201;", 201, #"{"a":1,"n":1.5}"#),
        ("nodejs", "event.response = {content: {c: 3}, status_code: 202};", 202, #"{"c":3}"#),
        ("nodejs", "event.setResponse({c: 4}, 203);", 203, #"{"c":4}"#),
        ("nodejs", "return {c: 5};", 200, #"{"c":5}"#),
        ("python3", "return {'content': {'c': 6}, 'status_code': 418}", 418, #"{"c":6}"#),
        ("php", "return ['response' => ['content' => ['c' => 7], 'status_code' => 201]];", 201, #"{"c":7}"#),
        ("nodejs", "event.response.content = 'text';", 200, #""text""#),
        ("php", "exit('bye');", 200, "bye"),
    ]

    @Test(arguments: after.indices)
    func whatAScriptAfterTheServiceDoesCountsWhereItMay(row: Int) async throws {
        let (language, source, status, body) = Self.after[row]
        let tenant = try await shop("return {a: 1, n: 1.5};")
        let isExit = source.hasPrefix("exit")
        try await tenant.bind("shop.get.post_process", language, source)
        let ignored = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(ignored.text == (isExit ? body : #"{"a":1,"n":1.5}"#))
        try await tenant.bind("shop.get.post_process", language, source, modifies: true)
        let reply = try await tenant.send(
            "GET", "/api/v2/shop", headers: [(name: "Accept", value: "application/json")], ingress: 0)
        #expect(reply.status == status)
        #expect(reply.text == body)
    }

    @Test func headersOfAnAnswerCanBeAddedAndReplaced() async throws {
        let tenant = try await shop("return {content: {a: 1}, headers: {'X-One': '1', 'X-Two': '2'}};")
        try await tenant.bind(
            "shop.get.post_process", "nodejs",
            "event.response.headers['X-Two'] = 'two'; event.response.headers['X-Three'] = '3';", modifies: true)
        let reply = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(["X-One", "X-Two", "X-Three"].map { reply.header($0) } == ["1", "two", "3"])
    }

    @Test func aScriptAfterTheServiceSeesErrorsAndMayAnswerInTheirPlace() async throws {
        let tenant = try await shop("throw new Error('broken');")
        try await tenant.bind(
            "shop.get.post_process", "nodejs",
            "console.log(event.response.status_code, event.response.content.error.message);")
        let shown = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(shown.status == 500)
        #expect(try await log(shown, tenant).contains("500 broken"))
        try await tenant.bind(
            "shop.get.post_process", "nodejs", "event.response.content.error.message += '!';", modifies: true)
        let edited = try JSONText(checking: try await tenant.send("GET", "/api/v2/shop", ingress: 0).body)["error"]
        #expect(edited?["message"]?.string == "broken!")
        #expect(edited?["context"]?["job_id"]?.string != nil)
        try await tenant.bind(
            "shop.get.post_process", "nodejs", "event.response = {content: {mended: true}, status_code: 200};",
            modifies: true)
        let mended = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(mended.status == 200)
        #expect(mended.text == #"{"mended":true}"#)
        // The script did throw, and its job says so.
        let job = try #require(mended.header("X-Scriptorium-Job"))
        let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)").body)
        #expect(record["status"]?.string == "failed")
        #expect(record["error"]?["message"]?.string == "broken")
    }

    @Test func aShortCircuitStillRunsWhatComesAfter() async throws {
        let tenant = try await shop("console.log('service');")
        try await tenant.bind("shop.get.pre_process", "nodejs", "event.setResponse({a: 1}, 401);", modifies: true)
        try await tenant.bind("shop.get.post_process", "nodejs", "event.response.content.b = 2;", modifies: true)
        let reply = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(reply.status == 401)
        #expect(reply.text == #"{"a":1,"b":2}"#)
        #expect(try await log(reply, tenant) == [])
    }

    @Test func anEditOfAcceptReachesTheAnswer() async throws {
        let tenant = try await shop("return 'text';")
        try await tenant.bind(
            "shop.get.pre_process", "nodejs", "event.request.headers.accept = '*/*';", modifies: true)
        #expect(try await tenant.send("GET", "/api/v2/shop", ingress: 0).text == "text")
    }

    /// Edits that would make a request larger than any can be.
    @Test(arguments: [
        ("for (let i = 0; i < 30000; i++) event.request.headers['h' + i] = 'x';", "headers"),
        ("event.request.headers.bad = 'a\\r\\nb: c';", "line break"),
        ("event.request.headers['a b'] = 'c';", "line break"),
        ("event.request.parameters = {['a'.repeat(30000)]: Array(900).fill(1)};", "parameters"),
        ("event.request.parameters = {a: Array(2000).fill(1)};", "parameters"),
    ])
    func anEditThatNoRequestCanHoldEndsTheCall(source: String, word: String) async throws {
        let tenant = try await shop("return 1;")
        try await tenant.bind("shop.get.pre_process", "nodejs", source, modifies: true)
        try await tenant.bind("shop.get.post_process", "nodejs", "1;")
        let reply = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(reply.status == 500)
        #expect(reply.text.contains(word), "\(reply.text)")
    }

    @Test func aScriptThatIsSwitchedOffOrDeletedDoesNotRun() async throws {
        let tenant = try await shop("return {ok: 1};")
        try await tenant.bind("shop.get.pre_process", "nodejs", "throw new Error('no');")
        #expect(try await tenant.send("GET", "/api/v2/shop", ingress: 0).status == 500)
        let off = try await tenant.administer(
            "PATCH", "event_script/shop.get.pre_process", #"{"is_active":false}"#, ingress: 0)
        #expect(off.status == 200, "\(off.text)")
        #expect(try await tenant.send("GET", "/api/v2/shop", ingress: 0).status == 200)
        let on = try await tenant.administer(
            "PATCH", "event_script/shop.get.pre_process", #"{"is_active":true}"#, ingress: 0)
        #expect(on.status == 200)
        #expect(try await tenant.send("GET", "/api/v2/shop", ingress: 0).status == 500)
        let gone = try await tenant.administer("DELETE", "event_script/shop.get.pre_process", ingress: 0)
        #expect(gone.status == 200)
        #expect(try await tenant.send("GET", "/api/v2/shop", ingress: 0).status == 200)
    }

    @Test func internalCallsHaveEventsToo() async throws {
        let tenant = try await shop("return {ok: 1};")
        try await tenant.save(
            "outer", "php", "return $platform['api']->get('shop')['content'];")
        try await tenant.bind("shop.get.post_process", "nodejs", "event.response.content.seen = 1;", modifies: true)
        // A worker of another process learns of the script within a second.
        try await eventually("the worker knows the event script", within: .seconds(10)) {
            try await tenant.send("GET", "/api/v2/outer", ingress: 0).text == #"{"ok":1,"seen":1}"#
        }
    }

    @Test func anEventScriptThatCallsItsOwnServiceEnds() async throws {
        let tenant = try await shop("return {ok: 1};")
        try await tenant.bind(
            "shop.get.pre_process", "php",
            "$reply = $platform['api']->get('shop'); if ($reply['status_code'] > 400) { echo $reply['status_code']; }")
        try await eventually("the depth is reached", within: .seconds(30)) {
            let reply = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
            guard reply.status == 200 else { return false }
            return try await log(reply, tenant).contains("508")
        }
    }
}
