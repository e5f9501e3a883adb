import Core
import Outbound
import TestSupport
import Testing

/// Roles, users, admins, apps and lookups as records of `system`.
@Suite struct SystemRecordTests {
    private struct Kind: Sendable, CustomTestStringConvertible {
        let name: String
        /// A record with the number `#`.
        let record: String
        /// A text that can be cleared.
        let field: String
        let cleared: String
        var testDescription: String { name }
    }

    private static let kinds = [
        Kind(name: "role", record: #"{"name":"r#","description":"d"}"#, field: "description", cleared: #""""#),
        Kind(name: "user", record: #"{"email":"u#@x.y","first_name":"Ada"}"#, field: "first_name", cleared: "null"),
        Kind(name: "admin", record: #"{"email":"a#@x.y","last_name":"L"}"#, field: "last_name", cleared: "null"),
        Kind(name: "app", record: #"{"name":"app#","url":"http://x.y"}"#, field: "url", cleared: "null"),
        Kind(name: "lookup", record: #"{"name":"look#","value":"v"}"#, field: "value", cleared: #""""#),
    ]

    private func json(_ reply: HTTPReply, _ status: Int = 200) throws -> JSONText {
        #expect(reply.status == status, "\(reply.text)")
        return try JSONText(checking: reply.body)
    }

    private func ids(_ reply: HTTPReply, _ status: Int = 200) throws -> [Int] {
        try json(reply, status)["resource"]?.elements.compactMap { $0["id"]?.integer } ?? []
    }

    @Test(arguments: kinds)
    private func recordsAreMadeReadChangedAndRemoved(kind: Kind) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let path = kind.name
        func record(_ number: Int) -> String { kind.record.replacing("#", with: String(number)) }
        let made = try ids(
            await tenant.administer("POST", path, #"{"resource":[\#(record(1)),\#(record(2)),\#(record(3))]}"#), 201)
        #expect(made.count == 3 && made == made.sorted())
        // All or none.
        #expect(try await tenant.administer("POST", path, "[\(record(4)),\(record(1))]").status == 400)
        let first = try json(await tenant.administer("GET", "\(path)/\(made[0])"))
        #expect(first["id"]?.integer == made[0])
        #expect(first["created_date"]?.string?.hasSuffix("Z") == true && first["created_by_id"]?.integer != nil)
        let listed = try ids(await tenant.administer("GET", "\(path)?ids=\(made[0]),\(made[2])&fields=id"))
        #expect(listed == [made[0], made[2]])
        let name = try #require(first[kind.name == "user" || kind.name == "admin" ? "email" : "name"]?.string)
        let key = kind.name == "user" || kind.name == "admin" ? "email" : "name"
        #expect(try ids(await tenant.administer("GET", "\(path)?filter=\(key)=\(name)")) == [made[0]])
        let counted = try json(await tenant.administer("GET", "\(path)?limit=1&include_count=true&order=id%20desc"))
        #expect(counted["resource"]?.elements.count == 1)
        #expect((counted["meta"]?["count"]?.integer ?? 0) >= 3)
        // One, several by their own ids, all of `ids` alike, those of a filter.
        let clear = #"{"\#(kind.field)":null}"#
        let cleared = try json(
            await tenant.administer("PATCH", "\(path)/\(made[0])?fields=id,\(kind.field)", clear))
        #expect(cleared[kind.field]?.text == kind.cleared)
        let text = #"{"\#(kind.field)":"new"}"#
        _ = try json(await tenant.administer("PUT", "\(path)?ids=\(made[0]),\(made[1])", text))
        for id in made[...1] {
            #expect(try json(await tenant.administer("GET", "\(path)/\(id)"))[kind.field]?.string == "new")
        }
        let several = made.map { #"{"id":\#($0),"\#(kind.field)":"own \#($0)"}"# }.joined(separator: ",")
        #expect(try ids(await tenant.administer("PATCH", path, #"{"resource":[\#(several)]}"#)) == made)
        for id in made {
            #expect(try json(await tenant.administer("GET", "\(path)/\(id)"))[kind.field]?.string == "own \(id)")
        }
        let missing = #"[{"id":\#(made[0]),"\#(kind.field)":"lost"},{"id":999999,"\#(kind.field)":"lost"}]"#
        #expect(try await tenant.administer("PATCH", path, missing).status != 200)
        #expect(try json(await tenant.administer("GET", "\(path)/\(made[0])"))[kind.field]?.string != "lost")
        #expect(try ids(await tenant.administer("DELETE", "\(path)?filter=\(key)=\(name)")) == [made[0]])
        #expect(try await tenant.administer("DELETE", "\(path)?ids=\(made[1]),999999").status == 400)
        #expect(try json(await tenant.administer("DELETE", "\(path)/\(made[1])"))["id"]?.integer == made[1])
        #expect(try ids(await tenant.administer("DELETE", path, "[{\"id\":\(made[2])}]")) == [made[2]])
        for id in made { #expect(try await tenant.administer("GET", "\(path)/\(id)").status == 404) }
        #expect(try await tenant.administer("DELETE", path).status == 400)
    }

    @Test func whatIsWrongIsNamed() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let long = String(repeating: "x", count: 17 << 10)
        let access = #"{"name":"r","role_service_access_by_role_id":[{"#
        for (path, body, word) in [
            ("role", "{}", "'name'"), ("role", #"{"name":null}"#, "'name'"), ("role", #"{"name":"  "}"#, "'name'"),
            ("role", #"{"name":"default"}"#, "exists"), ("role", #"{"name":"r","is_active":null}"#, "'is_active'"),
            ("role", access + #""service_id":999999}]}"#, "999999"),
            ("role", access + #""service":"nothing"}]}"#, "nothing"),
            ("role", access + #""component":"a"}]}"#, "component"),
            ("role", access + #""verb_mask":128}]}"#, "verb_mask"),
            ("role", access + #""requestor_mask":4}]}"#, "requestor_mask"),
            ("role", access + #""filter_op":"XOR"}]}"#, "filter_op"),
            ("role", access + #""filters":[{"name":"a"}]}]}"#, "filters"),
            ("role", access + #""id":5}]}"#, "no row"),
            ("role", #"{"name":"r","role_service_access_by_role_id":5}"#, "list of objects"),
            ("user", "{}", "'email'"), ("user", #"{"email":"no address"}"#, "address"),
            ("user", #"{"email":"a@b.c","password":""}"#, "'password'"),
            ("user", #"{"email":"a@b.c","role_id":999999}"#, "999999"),
            ("user", #"{"email":"a@b.c","user_to_app_to_role_by_user_id":[{"app_id":1}]}"#, "role_id"),
            ("app", "{}", "'name'"), ("app", #"{"name":"a","role_id":999999}"#, "role_id"),
            ("app", #"{"name":"a","type":9}"#, "'type'"),
            ("lookup", "{}", "'name'"), ("lookup", #"{"name":"a b","value":"x"}"#, "lookup name"),
            ("lookup", #"{"name":"user.email","value":"x"}"#, "own"),
            ("lookup", #"{"name":"a","value":[1]}"#, "'value'"),
            ("lookup", #"{"name":"a","value":"\#(long)"}"#, "bytes"),
            ("lookup", #"[{"name":"a","value":"1"},{"name":"a","value":"2"}]"#, "exists"),
        ] {
            let reply = try await tenant.administer("POST", path, body)
            #expect(reply.status == 400, "\(path) \(body.prefix(200)): \(reply.status) \(reply.text)")
            #expect(reply.text.contains(word), "\(path) \(body.prefix(200)): \(reply.text)")
        }
        #expect(
            try await tenant.administer("GET", "role?related=nothing").text.contains("role_service_access_by_role_id"))
        #expect(try await tenant.administer("GET", "user/abc").status == 404)
    }

    @Test func aRolesRowsAreKeptChangedAndRemoved() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let saved = try await tenant.save("math", "python3", "return 1")
        let service = try #require(ids(saved, 201).first)
        let rows = "related=role_service_access_by_role_id"
        let made = try json(
            await tenant.administer(
                "POST", "role?\(rows)",
                #"""
                {"resource":[{"name":"r","role_service_access_by_role_id":[
                {"service_id":\#(service),"component":"add/*","verb_mask":3,"requestor_mask":3,
                 "filters":[{"name":"a","operator":"=","value":"1"}],"filter_op":"or"},
                {"service":"jobs","verb_mask":1},{"service_id":null,"component":"*","verb_mask":31}]}]}
                """#), 201)
        let role = try #require(made["resource"]?.elements.first)
        let id = try #require(role["id"]?.integer)
        let first = try #require(role["role_service_access_by_role_id"]?.elements)
        #expect(first.map { $0["service"]?.string } == ["math", "jobs", nil])
        #expect(first.map { $0["service_id"]?.integer } == [service, nil, nil])
        #expect(first[0]["filter_op"]?.string == "OR" && first[0]["filters"]?.elements.count == 1)
        #expect(first[1]["requestor_mask"]?.integer == 1 && first[1]["component"]?.string == "*")
        // What a client was shown it can give back.
        let again = try json(await tenant.administer("PUT", "role/\(id)?\(rows)", role.text))
        #expect(again["role_service_access_by_role_id"] == role["role_service_access_by_role_id"])
        let numbers = first.compactMap { $0["id"]?.integer }
        let changed = try json(
            await tenant.administer(
                "PATCH", "role/\(id)?fields=name&\(rows)",
                #"""
                {"role_service_access_by_role_id":[{"id":\#(numbers[0]),"verb_mask":1},
                {"id":\#(numbers[2]),"role_id":null},{"service":"math","component":"x","verb_mask":2}]}
                """#))
        let second = try #require(changed["role_service_access_by_role_id"]?.elements)
        #expect(changed["id"] == nil && changed["name"]?.string == "r")
        #expect(second.map { $0["verb_mask"]?.integer } == [1, 1, 2])
        #expect(second.map { $0["component"]?.string } == ["add/*", "*", "x"])
        #expect(second[0]["id"]?.integer == numbers[0])
        // A service takes its rows with it.
        _ = try json(await tenant.administer("DELETE", "service/\(service)"))
        let left = try json(await tenant.administer("GET", "role/\(id)?\(rows)"))
        #expect(left["role_service_access_by_role_id"]?.elements.count == 1)
    }

    @Test func aUserSignsInAtOnceAndThePasswordIsNeverRead() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let naming = (name: "X-DreamFactory-API-Key", value: tenant.apiKey)
        let type = (name: "Content-Type", value: "application/json")
        func signIn(_ who: String, _ password: String, _ path: String = "user/session") async throws -> HTTPReply {
            try await tenant.raw(
                "POST", "/api/v2/\(path)", Array("{\(who),\"password\":\"\(password)\"}".utf8), headers: [naming, type])
        }
        let made = try await tenant.administer(
            "POST", "user?fields=*", #"{"email":"Ada@x.y","username":"ada","password":"se cret 1","first_name":"Ada"}"#)
        let user = try #require(try json(made, 201)["resource"]?.elements.first)
        #expect(user["name"]?.string == "Ada" && user["is_sys_admin"]?.bool == false)
        let id = try #require(user["id"]?.integer)
        let session = try json(await signIn(#""email":"ada@X.Y""#, "se cret 1"))
        #expect(session["id"]?.integer == id)
        #expect(try await signIn(#""username":"ADA""#, "se cret 1").status == 200)
        #expect(try await signIn(#""email":"ada@x.y""#, "wrong").status == 401)
        #expect(try await signIn(#""email":"ada@x.y""#, "se cret 1", "system/admin/session").status == 401)
        let token = try #require(session["session_token"]?.string)
        let mine = [(name: "X-DreamFactory-Session-Token", value: token)]
        #expect(try await tenant.send("GET", "/api/v2/user/session", headers: mine).status == 200)
        let shown = try await [
            made.text, tenant.administer("GET", "user?fields=*").text,
            tenant.administer("GET", "user/\(id)?fields=*").text,
            tenant.administer("GET", "user/\(id)?fields=password").text, session.text,
        ]
        for text in shown {
            #expect(!text.contains("se cret") && !text.contains("scrypt") && !text.contains("\"password"))
        }
        #expect(try await tenant.administer("GET", "user?filter=password_hash=x").status == 400)
        // A user is no admin's record and the other way round.
        #expect(try await tenant.administer("GET", "admin/\(id)").status == 404)
        #expect(try await tenant.administer("PATCH", "admin/\(id)", "{}").status == 404)
        // A new password ends what the old one began.
        _ = try json(await tenant.administer("PATCH", "user/\(id)", #"{"password":"other"}"#))
        for ingress in 0...1 {
            try await eventually("the token is over", within: .seconds(5)) {
                try await tenant.send("GET", "/api/v2/user/session", headers: mine, ingress: ingress).status == 401
            }
        }
        #expect(try await signIn(#""email":"ada@x.y""#, "se cret 1").status == 401)
        let fresh = try json(await signIn(#""email":"ada@x.y""#, "other"))
        let renewed = [(name: "X-DreamFactory-Session-Token", value: fresh["session_token"]?.string ?? "")]
        #expect(try await tenant.send("GET", "/api/v2/user/session", headers: renewed).status == 200)
        // Who is switched off is out at once.
        _ = try json(await tenant.administer("PATCH", "user/\(id)", #"{"is_active":false}"#))
        #expect(try await signIn(#""email":"ada@x.y""#, "other").status == 401)
        // Without a password nobody gets in.
        #expect(try await tenant.administer("POST", "user", #"{"email":"none@x.y"}"#).status == 201)
        #expect(try await signIn(#""email":"none@x.y""#, "").status == 400)
        #expect(try await signIn(#""email":"none@x.y""#, "null").status == 401)
    }

    @Test func theLastAdminStays() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let admins = try json(await tenant.administer("GET", "admin"))
        let id = try #require(admins["resource"]?.elements.first?["id"]?.integer)
        let role = try #require(ids(await tenant.administer("POST", "role", #"{"name":"narrow"}"#), 201).first)
        for (method, body) in [
            ("DELETE", nil), ("PATCH", #"{"is_active":false}"#), ("PATCH", #"{"role_id":\#(role)}"#),
        ] {
            let reply = try await tenant.administer(method, "admin/\(id)", body)
            #expect(reply.status == 400 && reply.text.contains("active admin"), "\(reply.text)")
        }
        let second = try #require(
            ids(await tenant.administer("POST", "admin", #"{"email":"second@x.y","password":"p"}"#), 201).first)
        _ = try json(await tenant.administer("DELETE", "admin/\(second)"))
    }

    /// An admin who has a role has no more than it, and nothing when it is gone.
    @Test func anAdminsRoleNeverGrows() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let role = try #require(
            ids(
                await tenant.administer(
                    "POST", "role",
                    #"{"name":"reader","role_service_access_by_role_id":[{"service":"system","component":"user/*","verb_mask":1},{"service":"system","component":"user","verb_mask":1}]}"#
                ), 201
            ).first)
        _ = try json(
            await tenant.administer("POST", "admin", #"{"email":"b@x.y","password":"p","role_id":\#(role)}"#), 201)
        let session = try json(
            await tenant.send(
                "POST", "/api/v2/system/admin/session", #"{"email":"b@x.y","password":"p"}"#, ingress: 0))
        #expect(session["role_id"]?.integer == role && session["role"]?.string == "reader")
        let mine = [(name: "X-DreamFactory-Session-Token", value: session["session_token"]?.string ?? "")]
        func get(_ path: String) async throws -> Int {
            try await tenant.send("GET", "/api/v2/system/\(path)", headers: mine, ingress: 0).status
        }
        #expect(try await get("user") == 200)
        #expect(try await get("role") == 403)
        for change in [("PATCH", #"{"is_active":false}"#), ("PATCH", #"{"is_active":true}"#), ("DELETE", nil)] {
            let reply = try await tenant.administer(change.0, "role/\(role)", change.1)
            #expect(reply.status == 200, "\(reply.text)")
            let isBack = change.1?.contains("true") == true
            try await eventually("the role's end is known", within: .seconds(5)) {
                try await get("user") == (isBack ? 200 : 403)
            }
            #expect(try await get("role") == 403)
        }
    }
}
