import Core
import Outbound
import TestSupport
import Testing

/// `platform.store` in every language (contract.md §10).
@Suite struct StoreTests {
    private func tenant() async throws -> TestTenant { try await TestInstallation.shared().tenant() }

    static let scripts: [String: String] = [
        "nodejs": """
        const s = platform.store, p = event.request.parameters;
        if (p.do === 'set') return {ok: await s.set('k', {n: [1, null, 'é'], e: {}}, p.ttl ? Number(p.ttl) : undefined)};
        if (p.do === 'delete') return {gone: await s.delete('k')};
        return {value: await s.get('k'), or: await s.get('none', 'x')};
        """,
        "php": """
        $s = $platform['store']; $p = $event['request']['parameters'];
        $do = $p['do'] ?? '';
        if ($do === 'set') return ['ok' => $s->set('k', ['n' => [1, null, 'é'], 'e' => new \\stdClass], isset($p['ttl']) ? (float)$p['ttl'] : null)];
        if ($do === 'delete') return ['gone' => $s->delete('k')];
        return ['value' => $s->get('k'), 'or' => $s->get('none', 'x')];
        """,
        "python3": """
        s, p = platform.store, event.request.parameters or {}
        do = p.get('do')
        if do == 'set': return {'ok': s.set('k', {'n': [1, None, 'é'], 'e': {}}, float(p['ttl']) if 'ttl' in p else None)}
        if do == 'delete': return {'gone': s.delete('k')}
        return {'value': s.get('k'), 'or': s.get('none', 'x')}
        """,
    ]

    private func async(_ language: String, _ source: String) -> String {
        language == "nodejs" ? "return (async () => {\(source)})();" : source
    }

    @Test(arguments: scripts.keys.sorted())
    func whatIsStoredIsThereInTheNextCall(language: String) async throws {
        let tenant = try await tenant()
        try await tenant.save("keeper", language, async(language, try #require(Self.scripts[language])))
        func call(_ query: String = "") async throws -> String {
            try await tenant.send("GET", "/api/v2/keeper?\(query)").text
        }
        let none = #"{"value":null,"or":"x"}"#
        let empty = language == "php" ? "[]" : "{}"
        let some = #"{"value":{"n":[1,null,"é"],"e":\#(empty)},"or":"x"}"#
        #expect(try await call() == none)
        #expect(try await call("do=set") == #"{"ok":true}"#)
        #expect(try await call() == some)
        #expect(try await call("do=delete") == #"{"gone":true}"#)
        #expect(try await call("do=delete") == #"{"gone":false}"#)
        #expect(try await call() == none)
        #expect(try await call("do=set&ttl=0.2") == #"{"ok":true}"#)
        try await eventually("its time is over") { try await call() == none }
    }

    @Test func aStoreBelongsToItsServiceAndItsTenant() async throws {
        let source =
            "return (async () => { const v = await platform.store.get('k'); await platform.store.set('k', event.name); return {v}; })();"
        for _ in 0..<2 {
            let tenant = try await tenant()
            for name in ["one", "two"] {
                try await tenant.save(name, "nodejs", source)
                #expect(try await tenant.send("GET", "/api/v2/\(name)").text == #"{"v":null}"#)
                #expect(try await tenant.send("GET", "/api/v2/\(name)").text == #"{"v":"\#(name).get"}"#)
            }
            // A service that is made anew finds nothing of the old one.
            let list = try await tenant.administer("GET", "service?fields=id&filter=name%3Done")
            let id = try #require(try JSONText(checking: list.body)["resource"]?.elements.first?["id"]?.integer)
            #expect(try await tenant.administer("DELETE", "service/\(id)").status == 200)
            try await tenant.save("one", "nodejs", source)
            #expect(try await tenant.send("GET", "/api/v2/one").text == #"{"v":null}"#)
        }
    }

    @Test(arguments: [
        ("platform.store.set('', 1)", "1 to 250 bytes"),
        ("platform.store.set('k'.repeat(251), 1)", "1 to 250 bytes"),
        ("platform.store.set('k', 'x'.repeat(65536))", "65536 bytes at most"),
        ("platform.store.set('k', 1, -1)", "above 0"),
        ("platform.store.set('k', 1, 1e12)", "above 0"),
    ])
    func whatCanNotBeStoredIsRefused(call: String, message: String) async throws {
        let tenant = try await tenant()
        try await tenant.save("keeper", "nodejs", "return (async () => { await \(call); })();")
        let reply = try await tenant.send("GET", "/api/v2/keeper")
        #expect(reply.status == 500)
        #expect(
            try JSONText(checking: reply.body)["error"]?["message"]?.string?.contains(message) == true, "\(reply.text)")
    }

    @Test func aServiceHasAThousandKeys() async throws {
        let tenant = try await tenant();
        let batch = """
            return (async () => {
              const from = Number(event.request.parameters.from);
              await Promise.all([...Array(500).keys()].map((i) => platform.store.set(`k${from + i}`, i)));
              return {ok: 1};
            })();
            """
        try await tenant.save("keeper", "nodejs", batch)
        for from in [0, 500] {
            #expect(try await tenant.send("GET", "/api/v2/keeper?from=\(from)").status == 200)
        }
        // What is there already can be set again.
        #expect(try await tenant.send("GET", "/api/v2/keeper?from=500").status == 200)
        let full = try await tenant.send("GET", "/api/v2/keeper?from=1000")
        #expect(full.status == 500)
        #expect(full.text.contains("1000 keys"))
    }

    @Test func questionsCountAsCalls() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"api_calls":2}"#)
        try await tenant.save(
            "keeper", "php", "foreach ([1, 2, 3] as $i) $platform['store']->set('k', $i); return ['ok' => 1];")
        let reply = try await tenant.send("GET", "/api/v2/keeper")
        #expect(reply.status == 500)
        #expect(reply.text.contains("api_calls"))
    }
}
