import Core
import Database
import Logging
import Outbound
import TestSupport
import Testing

/// What scripts get of the values that their callers can look up, and what nobody else sees of them.
@Suite struct LookupRunTests {
    private func json(_ reply: HTTPReply, _ status: Int = 200) throws -> JSONText {
        #expect(reply.status == status, "\(reply.text)")
        return try JSONText(checking: reply.body)
    }

    private func id(_ reply: HTTPReply) throws -> Int {
        try #require(try json(reply, 201)["resource"]?.elements.first?["id"]?.integer)
    }

    /// Calls until the answer is as expected: a change is known everywhere within a second.
    private func expect(
        _ expected: String, from path: String, of tenant: TestTenant, headers: [(name: String, value: String)] = []
    ) async throws {
        var last = ""
        do {
            for ingress in 0...1 {
                try await eventually("the answer is as expected", within: .seconds(8)) {
                    last = try await tenant.send("GET", "/api/v2/\(path)", headers: headers, ingress: ingress).text
                    return last == expected
                }
            }
        } catch is NeverHappened {
            Issue.record("expected \(expected), got \(last)")
        }
    }

    private static let scripts = [
        ("nodejs", "return ['{who}', '{strtoupper(who)}', platform.session.lookup.who || ''];"),
        ("php", "return ['{who}', \"{strtoupper(who)}\", $platform['session']['lookup']['who'] ?? ''];"),
        ("python3", "return ['{who}', '{strtoupper(who)}', platform.session.lookup.get('who', '')]"),
    ]

    @Test func theStrongestValueReachesTheScript() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let lookup = #"[{"name":"who","value":"#
        _ = try json(await tenant.administer("POST", "lookup", lookup + #""tenant"}]"#), 201)
        let role = try id(
            await tenant.administer(
                "POST", "role",
                #"{"name":"r","role_service_access_by_role_id":[{"service_id":null,"verb_mask":31,"requestor_mask":3}],"lookup_by_role_id":\#(lookup)"role"}]}"#
            ))
        let app = try json(
            await tenant.administer(
                "POST", "app?fields=*", #"{"name":"a","lookup_by_app_id":\#(lookup)"app"}]}"#), 201)
        let key = (name: "X-API-Key", value: try #require(app["resource"]?.elements.first?["api_key"]?.string))
        let appID = try #require(app["resource"]?.elements.first?["id"]?.integer)
        let user = try id(
            await tenant.administer("POST", "user", #"{"email":"u@x.y","password":"p","role_id":\#(role)}"#))
        let session = try json(
            await tenant.send("POST", "/api/v2/user/session", #"{"email":"u@x.y","password":"p"}"#))
        let token = (name: "X-DreamFactory-Session-Token", value: session["session_token"]?.string ?? "")
        for (language, script) in Self.scripts { try await tenant.save("who-\(language)", language, script) }
        func expectAll(_ value: String, _ headers: [(name: String, value: String)]) async throws {
            for (language, _) in Self.scripts {
                var last = ""
                try await eventually("\(language) has \(value)", within: .seconds(8)) {
                    last = try await tenant.raw("GET", "/api/v2/who-\(language)", headers: headers).text
                    return last == #"["\#(value)","\#(value.uppercased())","\#(value)"]"#
                }
            }
        }
        try await expectAll("tenant", [(name: "X-API-Key", value: tenant.apiKey)])
        try await expectAll("role", [token])
        _ = try json(await tenant.administer("PATCH", "app/\(appID)", #"{"role_id":\#(role)}"#))
        try await expectAll("role", [key])
        let rows = try json(await tenant.administer("GET", "role/\(role)?related=lookup_by_role_id"))[
            "lookup_by_role_id"]
        let row = try #require(rows?.elements.first?["id"]?.integer)
        _ = try json(
            await tenant.administer("PATCH", "role/\(role)", #"{"lookup_by_role_id":[{"id":\#(row),"role_id":null}]}"#))
        try await expectAll("app", [key])
        try await expectAll("app", [key, token])
        _ = try json(await tenant.administer("PATCH", "user/\(user)", #"{"lookup_by_user_id":\#(lookup)"user"}]}"#))
        try await expectAll("user", [key, token])
        try await expectAll("user", [token])
        try await expectAll("app", [key])
    }

    /// Values that would be code, SQL or the end of a text, if they were not only text.
    private static let hostile = [
        "'; process.exit(3); '", "\"); process.exit(3); (\"", "` + process.exit(3) + `", "${process.exit(3)}",
        "'; exit(3); '", "\"; system('id'); \"", "{$platform}", "$platform", "<?php exit(3); ?>", "?>", "*/", "//", "#",
        "''' + str(1/0) + '''", "\"\"\"", "\\", "\\'", "\\\\\"", "\\x41\\u0041\\n", "a\nb\r\nc\t", "\u{2028}\u{2029}",
        "' or 1=1 --", "x'); drop table app; --", "{who}", "{value}{trim(value)}", "EOT;\nexit(3);\nEOT", "é€😀",
        "</script>", "%41&b=c",
    ]

    @Test func aValueIsTextWhateverItHolds() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let made = try await tenant.administer("POST", "lookup", #"{"name":"value","value":""}"#)
        let number = try id(made)
        try await tenant.save(
            "n", "nodejs",
            "const a = /'{value}'/.source.length; return ['{value}', \"{value}\", `{value}`, `x${'{value}'}`.slice(1), a > 0 ? '{value}' : 0]; // {value}"
        )
        try await tenant.save(
            "p", "php",
            "# {value}\n$a = 'x';\nreturn ['{value}', \"{value}\", substr(\"{$a}{value}\", 1), <<<EOT\n{value}\nEOT, (string)'{value}'];"
        )
        try await tenant.save(
            "y", "python3",
            "# {value}\nreturn ['{value}', \"{value}\", '''{value}''', r'{value}', b'{value}'.decode()]")
        for value in Self.hostile {
            let quoted = JSONText.quoted(value)
            _ = try json(await tenant.administer("PATCH", "lookup/\(number)", #"{"value":\#(quoted)}"#))
            for service in ["n", "p", "y"] {
                var last = ""
                do {
                    try await eventually("\(service) has the value", within: .seconds(8)) {
                        let reply = try await tenant.send("GET", "/api/v2/\(service)")
                        last = reply.text
                        guard reply.status == 200 else { return false }
                        let answer = try JSONText(checking: reply.body)
                        return answer.elements.count == 5 && answer.elements.allSatisfy { $0.string == value }
                    }
                } catch is NeverHappened {
                    Issue.record("\(service) with \(quoted): \(last)")
                }
            }
        }
    }

    /// What people call themselves is a stranger's text.
    @Test func theCallersOwnFactsAreTextToo() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let name = "'; process.exit(3); '\\"
        let role = try json(await tenant.administer("GET", "role"))["resource"]?.elements.first?["id"]?.integer ?? 0
        let user = try id(
            await tenant.administer(
                "POST", "user",
                #"{"email":"u@x.y","password":"p","role_id":\#(role),"first_name":\#(JSONText.quoted(name))}"#))
        let session = try json(
            await tenant.send("POST", "/api/v2/user/session", #"{"email":"u@x.y","password":"p"}"#))
        let token = try #require(session["session_token"]?.string)
        try await tenant.save(
            "me", "nodejs",
            "return ['{user.first_name}', '{user.id}', '{user.email}', '{role.name}', '{df.api_version}', '{session.id}' === platform.session.session_token, '{app.api_key}' === platform.session.api_key, '{app.id}' == platform.session.app.id, '{user.nothing}', '{nobody}'];"
        )
        try await expect(
            #"[\#(JSONText.quoted(name)),"\#(user)","u@x.y","default","2.0",true,true,true,"{user.nothing}","{nobody}"]"#,
            from: "me", of: tenant, headers: [(name: "X-DreamFactory-Session-Token", value: token)])
    }

    private static let secret = "s3cret-value-of-the-test"

    @Test func aPrivateValueIsSeenByItsScriptAlone() async throws {
        let installation = try await TestInstallation.shared()
        let tenant = try await installation.tenant()
        let secret = Self.secret
        let number = try id(
            await tenant.administer("POST", "lookup", #"{"name":"hidden","value":"\#(secret)","private":true}"#))
        for path in ["lookup?fields=*", "lookup/\(number)", "lookup?filter=name=hidden"] {
            let reply = try await tenant.administer("GET", path)
            #expect(reply.text.contains(#""value":"**********""#) && !reply.text.contains(secret), "\(reply.text)")
        }
        // Nobody finds it by asking whether it is equal, nor by making it public, nor by giving the mask back.
        #expect(try await tenant.administer("GET", "lookup?filter=value=\(secret)").text == #"{"resource":[]}"#)
        #expect(try await tenant.administer("PATCH", "lookup/\(number)", #"{"private":false}"#).status == 400)
        _ = try json(
            await tenant.administer("PATCH", "lookup/\(number)", #"{"value":"**********","description":"d"}"#))
        let scripts = [
            (
                "nodejs", "const s = '{hidden}'; console.log('it is ' + s + '!'); console.error(JSON.stringify({s}));",
                "return [s.length, JSON.stringify(platform.session).includes(s)];", "throw new Error('no ' + s);"
            ),
            (
                "php", "$s = '{hidden}'; echo \"it is $s!\\n\"; fwrite(STDERR, json_encode(['s' => $s]) . \"\\n\");",
                "return [strlen($s), str_contains(json_encode($platform['session']), $s)];",
                "throw new \\Exception('no ' . $s);"
            ),
            (
                "python3",
                "import sys, json\ns = '{hidden}'\nprint('it is ' + s + '!')\nprint(json.dumps({'s': s}), file=sys.stderr)",
                "return [len(s), s in json.dumps(platform.session)]", "raise ValueError('no ' + s)"
            ),
        ]
        for (language, start, end, failure) in scripts {
            try await tenant.save("good-\(language)", language, start + "\n" + end)
            try await tenant.save("bad-\(language)", language, start + "\n" + failure)
            try await expect("[\(secret.count),false]", from: "good-\(language)", of: tenant)
            for (service, status) in [("good", 200), ("bad", 500)] {
                let reply = try await tenant.send("GET", "/api/v2/\(service)-\(language)")
                #expect(reply.status == status && !reply.text.contains(secret), "\(reply.text)")
                if status == 500 { #expect(reply.text.contains("no **********"), "\(reply.text)") }
                let job = try #require(reply.header("X-Scriptorium-Job"))
                var log = ""
                for part in ["", "/logs", "/response"] {
                    let seen = try await tenant.send("GET", "/api/v2/jobs/\(job)\(part)")
                    #expect(!seen.text.contains(secret), "\(seen.text)")
                    if part == "/logs" { log = seen.text }
                }
                #expect(
                    log.contains("it is **********!") && log.contains("Lookups in the source: {hidden} in line"),
                    "\(log)")
                #expect(log.contains(#"\"**********\""#), "\(log)")
            }
        }
        // At rest it is sealed.
        let url = try #require(installation.environment["SCRIPTORIUM_DATABASE_URL"])
        let database = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        let values = try await database.system.read { sql in
            try sql.query(Statement("test_lookup_values", "select value from lookup")).map {
                try $0.decode([UInt8].self)
            }
        }
        await database.close()
        #expect(!values.isEmpty)
        for value in values { #expect(!String(decoding: value, as: UTF8.self).contains(secret)) }
    }

    /// What does not stand in a string stays, and the log says so.
    @Test func codeStaysAsItIsWritten() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        _ = try id(await tenant.administer("POST", "lookup", #"{"name":"name","value":"evil()"}"#))
        try await tenant.save("code", "nodejs", "const name = 5; const {length} = 'abc'; return {name};")
        try await expect(#"{"name":5}"#, from: "code", of: tenant)
        try await eventually("the log says what was left", within: .seconds(8)) {
            let reply = try await tenant.send("GET", "/api/v2/code")
            #expect(reply.text == #"{"name":5}"#)
            let job = try #require(reply.header("X-Scriptorium-Job"))
            let log = try await tenant.send("GET", "/api/v2/jobs/\(job)/logs").text
            return log.contains("Left as they are") && log.contains("{name} in line 1")
        }
    }
}
