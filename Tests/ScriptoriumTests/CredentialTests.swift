import Core
import FoundationEssentials
import Outbound
import TestSupport
import Testing

/// Who calls, by what a request says and in which order (dreamfactory.md §9.1), and what they may (§9.3).
@Suite struct CredentialTests {
    private func json(_ reply: HTTPReply, _ status: Int = 200) throws -> JSONText {
        #expect(reply.status == status, "\(reply.text)")
        return try JSONText(checking: reply.body)
    }

    private func made(_ reply: HTTPReply) throws -> JSONText {
        try #require(try json(reply, 201)["resource"]?.elements.first)
    }

    /// A tenant with two apps, a user and a second one, and a script that says who called.
    private struct House {
        let tenant: TestTenant
        let keys: [String]
        let apps: [Int]
        let tokens: [String]
        let users: [Int]
    }

    private func house() async throws -> House {
        let tenant = try await TestInstallation.shared().tenant()
        let script =
            "const s = platform.session; return {app: s.app ? s.app.id : 0, user: s.user ? s.user.id : 0, by: s.requestor};"
        try await tenant.save("who", "nodejs", script)
        let role = try json(await tenant.administer("GET", "role"))["resource"]?.elements.first?["id"]?.integer
        var keys: [String] = []
        var apps: [Int] = []
        var tokens: [String] = []
        var users: [Int] = []
        for number in 0...1 {
            let app = try made(
                await tenant.administer(
                    "POST", "app?fields=*", #"{"name":"a\#(number)","role_id":\#(try #require(role))}"#))
            keys.append(try #require(app["api_key"]?.string))
            apps.append(try #require(app["id"]?.integer))
            let user = try made(
                await tenant.administer(
                    "POST", "user",
                    #"{"email":"u\#(number)@x.y","password":"pass:\#(number)","role_id":\#(try #require(role))}"#
                ))
            users.append(try #require(user["id"]?.integer))
            let session = try json(
                await tenant.send(
                    "POST", "/api/v2/user/session", #"{"email":"u\#(number)@x.y","password":"pass:\#(number)"}"#))
            tokens.append(try #require(session["session_token"]?.string))
        }
        for (ingress, key) in [(0, keys[1]), (1, keys[1])] {
            try await eventually("the second app is known", within: .seconds(5)) {
                try await tenant.raw("GET", "/api/v2/who", headers: [(name: "X-API-Key", value: key)], ingress: ingress)
                    .status == 200
            }
        }
        return House(tenant: tenant, keys: keys, apps: apps, tokens: tokens, users: users)
    }

    private struct Row {
        var query = ""
        var headers: [(String, String)] = []
        var body = "{}"
        var type = "application/json"
        var status = 200
        /// 1 and 2 for the first and the second, 0 for none.
        var app = 0
        var user = 0
    }

    @Test func theFirstCredentialCounts() async throws {
        let house = try await house()
        let (keys, tokens) = (house.keys, house.tokens)
        func basic(_ text: String) -> (String, String) {
            ("Authorization", "Basic \(Data(text.utf8).base64EncodedString())")
        }
        let named = ("X-Scriptorium-Tenant", house.tenant.name)
        let rows = [
            // The key: query, header, alias, body.
            Row(query: "?api_key=\(keys[0])", headers: [("X-DreamFactory-API-Key", keys[1])], app: 1),
            Row(headers: [("X-DreamFactory-API-Key", keys[0]), ("X-API-Key", keys[1])], app: 1),
            Row(headers: [("x-api-key", keys[1])], body: #"{"api_key":"\#(keys[0])"}"#, app: 2),
            Row(body: #"{"api_key":"\#(keys[1])"}"#, app: 2),
            Row(body: "a=b&api_key=\(keys[1])", type: "application/x-www-form-urlencoded", app: 2),
            Row(query: "?api_key=", headers: [("X-API-Key", keys[0])], app: 1),
            // The token: Bearer, header, query, body.
            Row(
                headers: [("Authorization", "Bearer \(tokens[0])"), ("X-DreamFactory-Session-Token", tokens[1])],
                user: 1),
            Row(query: "?session_token=\(tokens[0])", headers: [("X-DreamFactory-Session-Token", tokens[1])], user: 2),
            Row(query: "?session_token=\(tokens[0])", body: #"{"session_token":"\#(tokens[1])"}"#, user: 1),
            Row(body: #"{"session_token":"\#(tokens[1])"}"#, user: 2),
            Row(headers: [("X-API-Key", keys[0])], body: #"{"session_token":"\#(tokens[1])"}"#, app: 1, user: 2),
            Row(
                headers: [("Authorization", "bEARER \(tokens[0])")], body: #"{"api_key":"\#(keys[1])"}"#, app: 2,
                user: 1),
            Row(body: #"{"session_token":"\#(tokens[0])","api_key":"\#(keys[1])"}"#, app: 2, user: 1),
            // What only has the name of one is payload.
            Row(
                headers: [("X-API-Key", keys[0])], body: #"{"session_token":"a webhook's own","api_key":"x"}"#, app: 1),
            Row(headers: [("X-API-Key", keys[0])], body: #"{"a":{"session_token":"\#(tokens[0])"}}"#, app: 1),
            Row(headers: [("X-API-Key", keys[0])], body: #"{"session_token":"a.b.c"}"#, status: 401),
            // Basic, where there is no token.
            Row(headers: [basic("u0@x.y:pass:0"), named], user: 1),
            Row(headers: [basic("u0@x.y:pass:0"), ("X-API-Key", keys[1])], app: 2, user: 1),
            Row(headers: [basic("u0@x.y:pass:0"), ("X-DreamFactory-Session-Token", tokens[1])], user: 2),
            Row(headers: [basic("u0@x.y:pass:0"), named], body: #"{"session_token":"\#(tokens[1])"}"#, user: 1),
            Row(headers: [basic("u0@x.y:wrong"), named], status: 401),
            Row(headers: [basic("nobody@x.y:pass:0"), named], status: 401),
            Row(headers: [basic("u0@x.y:pass:0"), ("X-Scriptorium-Tenant", "nobody-here")], status: 401),
            Row(headers: [basic("u0@x.y:pass:0")], status: 400),
            Row(headers: [("Authorization", "Basic !"), named], status: 400),
            // Nothing, and what is none.
            Row(status: 400), Row(body: #"{"api_key":"\#(String(repeating: "0", count: 64))"}"#, status: 401),
            Row(headers: [("X-API-Key", "unknown")], body: #"{"api_key":"\#(keys[0])"}"#, status: 401),
        ]
        for (number, row) in rows.enumerated() {
            let reply = try await house.tenant.raw(
                "POST", "/api/v2/who" + row.query, Array(row.body.utf8),
                headers: [(name: "Content-Type", value: row.type)] + row.headers.map { (name: $0.0, value: $0.1) })
            let answer = try json(reply, row.status)
            #expect(reply.status == row.status, "row \(number)")
            guard row.status == 200, reply.status == 200 else { continue }
            #expect(answer["app"]?.integer == (row.app == 0 ? 0 : house.apps[row.app - 1]), "row \(number)")
            #expect(answer["user"]?.integer == (row.user == 0 ? 0 : house.users[row.user - 1]), "row \(number)")
            #expect(answer["by"]?.integer == 1, "row \(number)")
        }
    }

    /// An app's record may have a member `api_key`: there the body is no credential.
    @Test func theBodyOfAnAppIsNoCredential() async throws {
        let house = try await house()
        for (path, status) in [("system/app", 400), ("system/app/1", 400), ("who", 200)] {
            let reply = try await house.tenant.raw(
                "POST", "/api/v2/\(path)", Array(#"{"api_key":"\#(house.keys[0])","name":"x"}"#.utf8),
                headers: [(name: "Content-Type", value: "application/json")])
            #expect(reply.status == status, "\(path): \(reply.text)")
        }
    }

    /// Nobody becomes a script, or gains a right, by naming a script token.
    @Test func aForgedScriptTokenChangesNothing() async throws {
        let house = try await house()
        let tenant = house.tenant
        // A role for scripts alone, and a way to what it allows.
        let role = try made(
            await tenant.administer(
                "POST", "role",
                #"{"name":"scripts","role_service_access_by_role_id":[{"service":"who","verb_mask":31,"requestor_mask":2}]}"#
            ))
        try await tenant.save("outer", "nodejs", "return new Promise(done => platform.api.get('who', done));")
        let outer = #"{"role_service_access_by_role_id":[{"service":"outer","verb_mask":31,"requestor_mask":1}]}"#
        let id = try #require(role["id"]?.integer)
        _ = try json(await tenant.administer("PATCH", "role/\(id)", outer))
        let app = try made(await tenant.administer("POST", "app?fields=*", #"{"name":"narrow","role_id":\#(id)}"#))
        let key = (name: "X-API-Key", value: try #require(app["api_key"]?.string))
        for ingress in 0...1 {
            try await eventually("the script may call", within: .seconds(5)) {
                try await tenant.raw("GET", "/api/v2/outer", headers: [key], ingress: ingress).status == 200
            }
        }
        let token = String(repeating: "a", count: 40)
        let json = (name: "Content-Type", value: "application/json")
        for (query, header, body) in [
            ("", nil, ""), ("?script_token=\(token)", nil, ""), ("", token, ""),
            ("", nil, #"{"script_token":"\#(token)"}"#),
            ("?script_token=\(token)", token, #"{"script_token":"\#(token)"}"#),
        ] {
            let given = header.map { [(name: "X-DreamFactory-Script-Token", value: $0)] } ?? []
            let refused = try await tenant.raw(
                "POST", "/api/v2/who" + query, Array(body.utf8), headers: [key, json] + given)
            #expect(refused.status == 403, "\(refused.text)")
            #expect(refused.text.contains("POST access to component '' of service 'who' is not allowed"))
            let nobody = try await tenant.raw("POST", "/api/v2/who" + query, Array(body.utf8), headers: [json] + given)
            #expect(nobody.status == 400 && nobody.text.contains("No session token (JWT) or API Key detected"))
            let seen = try await tenant.raw(
                "POST", "/api/v2/who" + query, Array(body.utf8),
                headers: [(name: "X-API-Key", value: house.keys[0]), json] + given)
            #expect(try JSONText(checking: seen.body)["by"]?.integer == 1)
            let within = try await tenant.raw(
                "POST", "/api/v2/outer" + query, Array(body.utf8), headers: [key, json] + given)
            #expect(within.status == 200 && within.text.contains(#""by":2"#), "\(within.text)")
        }
        let job = try #require(
            try await tenant.raw(
                "POST", "/api/v2/outer?script_token=\(token)", Array(#"{"script_token":"\#(token)"}"#.utf8),
                headers: [key, json, (name: "X-DreamFactory-Script-Token", value: token)]
            ).header("X-Scriptorium-Job"))
        let request = try await tenant.raw("GET", "/api/v2/jobs/\(job)/request", headers: [key])
        #expect(request.status == 200 && !request.text.contains(token))
    }

    @Test func whoHasNoRoleIsToldWhatIsMissing() async throws {
        let house = try await house()
        let tenant = house.tenant
        let app = try made(await tenant.administer("POST", "app?fields=*", #"{"name":"bare"}"#))
        _ = try made(await tenant.administer("POST", "user", #"{"email":"bare@x.y","password":"p"}"#))
        let session = try json(
            await tenant.send("POST", "/api/v2/user/session", #"{"email":"bare@x.y","password":"p"}"#))
        let key = (name: "X-API-Key", value: try #require(app["api_key"]?.string))
        let token = (name: "X-DreamFactory-Session-Token", value: try #require(session["session_token"]?.string))
        for (headers, status, text) in [
            ([], 400, "No session token (JWT) or API Key detected in request."), ([token], 400, "No API Key provided"),
            ([key], 400, "No session token (JWT) provided"),
            ([key, token], 403, "Role not found. A role may not be assigned to you or your application."),
            (
                [(name: "X-API-Key", value: house.keys[0])], 403,
                "Access Forbidden. GET access to component 'role' of service 'system' is not allowed by this user's role."
            ),
        ] as [([(name: String, value: String)], Int, String)] {
            for ingress in 0...1 {
                try await eventually("the answer to \(headers.map(\.name)) is \(text)", within: .seconds(5)) {
                    let reply = try await tenant.raw("GET", "/api/v2/system/role", headers: headers, ingress: ingress)
                    return reply.status == status && reply.text.contains(text)
                }
            }
        }
    }

    @Test func theRoleOfTheAppGoesBeforeTheUsersOwn() async throws {
        let house = try await house()
        let tenant = house.tenant
        func role(_ name: String, _ component: String) async throws -> Int {
            let rows = #"[{"service":"who","component":"\#(component)","verb_mask":1}]"#
            let role = try made(
                await tenant.administer(
                    "POST", "role", #"{"name":"\#(name)","role_service_access_by_role_id":\#(rows)}"#))
            return try #require(role["id"]?.integer)
        }
        let own = try await role("own", "own")
        let special = try await role("special", "special")
        let user = house.users[0]
        let relation =
            #"{"role_id":\#(own),"user_to_app_to_role_by_user_id":[{"app_id":\#(house.apps[1]),"role_id":\#(special)}]}"#
        let changed = try json(
            await tenant.administer("PATCH", "user/\(user)?related=user_to_app_to_role_by_user_id", relation))
        #expect(changed["user_to_app_to_role_by_user_id"]?.elements.first?["role_id"]?.integer == special)
        let token = (name: "X-DreamFactory-Session-Token", value: house.tokens[0])
        for (app, component, status) in [
            (0, "own", 200), (0, "special", 403), (1, "own", 403), (1, "special", 200), (nil, "own", 200),
            (nil, "special", 403),
        ] {
            let key = app.map { [(name: "X-API-Key", value: house.keys[$0])] } ?? []
            for ingress in 0...1 {
                try await eventually("app \(app ?? -1) \(component) gives \(status)", within: .seconds(5)) {
                    try await tenant.raw("GET", "/api/v2/who/\(component)", headers: key + [token], ingress: ingress)
                        .status == status
                }
            }
        }
        let session = try json(
            await tenant.raw(
                "GET", "/api/v2/user/session", headers: [token, (name: "X-API-Key", value: house.keys[1])]))
        #expect(session["role_id"]?.integer == special && session["role"]?.string == "special")
    }

    @Test func aSessionLastsAsLongAsItIsAskedFor() async throws {
        let house = try await house()
        for (wish, seconds) in [
            ("", 86_400.0), (#","remember_me":false"#, 86_400), (#","remember_me":true"#, 14 * 86_400),
            (#","duration":0"#, 86_400), (#","duration":600"#, 600),
            (#","duration":99999999,"remember_me":true"#, 14 * 86_400),
        ] {
            let first = try json(
                await house.tenant.send(
                    "POST", "/api/v2/user/session", #"{"email":"u0@x.y","password":"pass:0"\#(wish)}"#))
            let token = (name: "X-DreamFactory-Session-Token", value: first["session_token"]?.string ?? "")
            let second = try json(await house.tenant.raw("PUT", "/api/v2/user/session", headers: [token]))
            for session in [first, second] {
                let end = try #require(Moments.seconds(session["token_expiry_date"]?.string))
                // A minute for the test itself: the clock is that of the same machine.
                #expect(abs(end - Date().timeIntervalSince1970 - seconds) < 60, "\(wish)")
            }
        }
        for wish in [#","duration":-1"#, #","duration":"x""#, #","remember_me":5"#] {
            let reply = try await house.tenant.send(
                "POST", "/api/v2/user/session", #"{"email":"u0@x.y","password":"pass:0"\#(wish)}"#)
            #expect(reply.status == 400, "\(wish): \(reply.text)")
        }
    }
}

private enum Moments {
    static func seconds(_ text: String?) -> Double? {
        (try? text.map { try Date($0.contains(".") ? "\($0.prefix(19))Z" : $0, strategy: .iso8601) })??
            .timeIntervalSince1970
    }
}
