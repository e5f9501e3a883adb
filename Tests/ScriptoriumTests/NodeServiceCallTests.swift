import Core
import Outbound
import TestSupport
import Testing

/// Scripts in Node.js that call their tenant's other services (contract.md §10).
@Suite struct NodeServiceCallTests {
    private func tenant() async throws -> TestTenant {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save(
            "echo", "nodejs",
            """
            const {method, parameters, payload, headers} = event.request;
            const mine = Object.keys(headers).filter((name) => /key|token|authorization|^x-mine/.test(name));
            return {method, resource: event.resource, parameters, payload, mine, requestor: platform.session.requestor};
            """)
        return tenant
    }

    @Test func callsReachTheServiceThatTheyName() async throws {
        let tenant = try await tenant()
        let rows: [(String, String, String, String)] = [
            ("get('echo/a')", "GET", "a", "{}"),
            ("get('/echo/a/b/')", "GET", "a/b", "{}"),
            ("get('/api/v2/echo?q=1')", "GET", "", #"{"q":"1"}"#),
            ("get('api/v2/Echo')", "GET", "", "{}"),
            ("get('echo/a b?q=c d&r=<>')", "GET", "a b", #"{"q":"c d","r":"<>"}"#),
            ("get('echo?filter=(a > 5) and (b<3)')", "GET", "", #"{"filter":"(a > 5) and (b<3)"}"#),
            ("get('echo?q=1', {parameters: {r: 'ä &='}})", "GET", "", #"{"q":"1","r":"ä &="}"#),
            ("get('http://localhost/api/v2/echo/x')", "GET", "x", "{}"),
            ("get('http://localhost:8080/api/v2/echo/x?q=1')", "GET", "x", #"{"q":"1"}"#),
            ("delete('echo/1')", "DELETE", "1", "{}"),
        ]
        let calls = rows.map { "platform.api.\($0.0)" }.joined(separator: ", ")
        try await tenant.save(
            "caller", "nodejs",
            "return Promise.all([\(calls)]).then((all) => all.map((one) => JSON.parse(one.body)));")
        let reply = try await tenant.send("GET", "/api/v2/caller")
        let replies = try JSONText(checking: reply.body).elements
        #expect(replies.count == rows.count)
        for (row, reply) in zip(rows, replies) {
            #expect(
                [reply["method"]?.string, reply["resource"]?.string, reply["parameters"]?.text] == [
                    row.1, row.2, row.3,
                ],
                "\(row.0)")
            #expect(reply["requestor"]?.integer == 2)
        }
    }

    @Test func payloadsArriveAsTheyWereMeant() async throws {
        let tenant = try await tenant()
        let rows: [(String, String, String)] = [
            ("post('echo', {a: [1, null, {}]})", "POST", #"{"a":[1,null,{}]}"#),
            ("post('echo', '{\"a\":1}')", "POST", #"{"a":1}"#),
            ("post('echo', 'a=1', {'Content-Type': 'application/x-www-form-urlencoded'})", "POST", #"{"a":"1"}"#),
            ("post('echo', 'text', {headers: {'Content-Type': 'text/plain'}})", "POST", #""text""#),
            ("put('echo', null, '')", "PUT", "{}"),
            ("patch('echo', '')", "PATCH", "{}"),
            ("delete('echo', {ids: [1]})", "DELETE", #"{"ids":[1]}"#),
        ]
        let calls = rows.map { "platform.api.\($0.0)" }.joined(separator: ", ")
        try await tenant.save(
            "caller", "nodejs",
            "return Promise.all([\(calls)]).then((all) => all.map((one) => JSON.parse(one.body)));")
        let reply = try await tenant.send("GET", "/api/v2/caller")
        let replies = try JSONText(checking: reply.body).elements
        #expect(replies.count == rows.count)
        for (row, reply) in zip(rows, replies) {
            #expect([reply["method"]?.string, reply["payload"]?.text] == [row.1, row.2], "\(row.0)")
        }
    }

    @Test func aCallHasTheScriptsSessionWhateverItSays() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "caller", "nodejs",
            """
            platform.api.get('http://localhost/api/v2/echo?api_key=none', {headers: {
              'X-DreamFactory-API-Key': 'none', 'X-DreamFactory-Session-Token': 'none', 'Authorization': 'Bearer none', 'X-Mine': '1',
            }}, (body, response) => event.setResponse(JSON.parse(body), response.statusCode));
            """)
        let reply = try await tenant.send("GET", "/api/v2/caller")
        #expect(reply.status == 200)
        #expect(try JSONText(checking: reply.body)["mine"]?.text == #"["x-mine"]"#)
    }

    @Test func aCallThatFailsIsAnAnswer() async throws {
        let tenant = try await tenant()
        try await tenant.save("thrower", "nodejs", "throw new Error('inner');")
        try await tenant.save(
            "caller", "nodejs",
            """
            const ask = (path) => new Promise((done) => platform.api.get(path, null, (body, response) =>
              done([response.statusCode, JSON.parse(body).error.message])));
            return Promise.all([ask('thrower'), ask('nowhere'), ask('')]);
            """)
        let replies = try JSONText(checking: try await tenant.send("GET", "/api/v2/caller").body).elements
        #expect(replies.map { $0.elements.first?.integer } == [500, 404, 404])
        #expect(replies.first?.elements.last?.string == "inner")
    }

    /// Each of two calls answers only when the other is there as well.
    @Test func twoSlowCallsOfOneScriptOverlap() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "meet", "nodejs",
            """
            const {me, other} = event.request.parameters;
            return (async () => {
              await platform.store.set(me, 'here');
              while (await platform.store.get(other) !== 'here') await new Promise((done) => setTimeout(done, 20));
              return {met: other};
            })();
            """)
        try await tenant.save(
            "caller", "nodejs",
            """
            const met = [];
            const note = (body) => { met.push(JSON.parse(body).met); event.setResponse(met.sort()); };
            platform.api.get('meet?me=a&other=b', '', note);
            platform.api.get('meet?me=b&other=a', '', note);
            """)
        let reply = try await tenant.send("GET", "/api/v2/caller")
        #expect(reply.text == #"["a","b"]"#)
    }
}
