import Core
import Outbound
import TestSupport
import Testing

/// The conventions of `system` for lists and for several records of one call (dreamfactory.md §6.3, §6.4).
@Suite struct RecordTests {
    /// Three services: what is asked of lists does not change them.
    private static let tenant = Task {
        let tenant = try await TestInstallation.shared().tenant()
        let services = [
            ("alpha", "First one", "true", "a@b.c"), ("beta", "Second (old)", "false", ""),
            ("gamma", "Third, new", "true", "x"),
        ].map { name, label, active, description in
            #"{"name":"\#(name)","label":"\#(label)","is_active":\#(active),"description":"\#(description)","type":"python3","#
                + #""config":{"content":"return 1"},"service_doc_by_service_id":{"format":0,"content":"{\"paths\":{\"/add/{id}\":{},\"/sum\":{}}}"}}"#
        }
        let reply = try await tenant.administer(
            "POST", "service?fields=id", "{\"resource\":[\(services.joined(separator: ","))]}")
        let ids = try JSONText(checking: reply.body)["resource"]?.elements.compactMap { $0["id"]?.text } ?? []
        return (tenant: tenant, ids: ids)
    }

    private func get(_ path: String, headers: [(name: String, value: String)] = []) async throws -> HTTPReply {
        let tenant = try await Self.tenant.value.tenant
        return try await tenant.send(
            "GET", "/api/v2/system/\(path)",
            headers: [(name: "X-DreamFactory-Session-Token", value: tenant.token)] + headers)
    }

    private static func encoded(_ path: String) -> String {
        path.replacing(" ", with: "%20").replacing("'", with: "%27").replacing("\"", with: "%22")
            .replacing("<", with: "%3C").replacing(">", with: "%3E").replacing("%%20", with: "%25%20")
    }

    @Test(arguments: [
        ("service?fields=name&order=name", #"{"resource":[{"name":"alpha"},{"name":"beta"},{"name":"gamma"}]}"#),
        ("service?select=name&sort=name desc&top=2", #"{"resource":[{"name":"gamma"},{"name":"beta"}]}"#),
        (
            "service?fields=name&order=name&limit=1&offset=1&include_count=true",
            #"{"resource":[{"name":"beta"}],"meta":{"count":3}}"#
        ),
        ("service?fields=name&order=name&wrap=false", #"[{"name":"alpha"},{"name":"beta"},{"name":"gamma"}]"#),
        ("service?as_list=true&fields=name&order=name", #"{"resource":["alpha","beta","gamma"]}"#),
        ("service?as_list=true&fields=name&filter=name=beta&wrap=0", #"["beta"]"#),
        ("script_type?as_list=true&filter=name=python3", #"{"resource":["python3"]}"#),
        ("script_type?fields=name,label&filter=name=php", #"{"resource":[{"name":"php","label":"PHP"}]}"#),
        ("service_type/php?fields=name,group", #"{"name":"php","group":"Script"}"#),
        ("service?fields=name&filter=name=none", #"{"resource":[]}"#),
        ("service?fields=name&unknown=1&cache=x&filter=name=beta", #"{"resource":[{"name":"beta"}]}"#),
    ])
    func aList(path: String, body: String) async throws {
        let reply = try await get(path.replacing(" ", with: "%20"))
        #expect(reply.text == body)
    }

    /// Filters, and the names of the services that they find, in the order of the ids.
    @Test(arguments: [
        ("name = 'beta'", "beta"), ("description=a@b.c", "alpha"), ("label=Second (old)", "beta"),
        ("(label = Third, new)", "gamma"), ("is_active=1", "alpha gamma"), ("is_active = false", "beta"),
        ("is_active = true and name != alpha", "gamma"), ("name = alpha or name = 'gamma'", "alpha gamma"),
        ("(name = alpha) AND ((is_active = 1) OR (label = x))", "alpha"), ("NOT name = beta", "alpha gamma"),
        ("not (name = beta or name = gamma)", "alpha"), ("name like '%a%m%'", "gamma"), ("name LIKE _eta", "beta"),
        ("name not like 'B%'", "alpha gamma"), ("label contains SECOND", "beta"), ("name starts with 'al'", "alpha"),
        ("name ends with ta", "beta"), ("name in (alpha, 'beta')", "alpha beta"),
        ("name not in ('alpha')", "beta gamma"),
        ("id > 0 and name < b", "alpha"), ("name >= beta", "beta gamma"), ("name LTE 'beta'", "alpha beta"),
        ("name <> beta", "alpha gamma"), ("name NE beta", "alpha gamma"), ("name EQ beta", "beta"),
        ("version gt 0 and name GT beta", "gamma"), ("version = 1.0 and name lt b", "alpha"),
        ("created_by_id is null", ""), ("created_by_id is not null and name=beta", "beta"), ("label = 'it''s'", ""),
        ("android = 1 or x = 1", nil), ("name", nil), ("name =", nil), ("= x", nil), ("(name = x", nil),
        ("name = x)", nil),
        ("name = 'x", nil), ("name = 'x' y", nil), ("name between 1", nil), ("name in x", nil), ("name not = x", nil),
        ("name is x", nil), ("and", nil), ("((((((((((((((((((name=x))))))))))))))))))", nil),
    ])
    func aFilter(filter: String, names: String?) async throws {
        let reply = try await get("service?fields=name&as_list=1&order=id&filter=\(Query.encode(filter))")
        if let names {
            let found = try JSONText(checking: reply.body)["resource"]?.elements.compactMap(\.string)
            #expect(found?.joined(separator: " ") == names, "\(reply.text)")
        } else {
            #expect(reply.status == 400)
            #expect(reply.text.contains("ilter"), "\(reply.text)")
        }
    }

    @Test func aFilterIsBounded() async throws {
        let many = Array(repeating: "name=x", count: 300).joined(separator: " or ")
        #expect(try await get("service?filter=\(Query.encode(many))").text.contains("50 comparisons"))
        let pattern = String(repeating: "%a", count: 200)
        #expect(try await get("service?filter=\(Query.encode("name like '\(pattern)'"))").text.contains("100 bytes"))
    }

    @Test func recordsByTheirIDs() async throws {
        let ids = try await Self.tenant.value.ids
        #expect(ids.count == 3)
        let two = try await get("service?as_list=true&ids=\(ids[0]),\(ids[2]),\(ids[0])")
        #expect(two.text == #"{"resource":[\#(ids[0]),\#(ids[2])]}"#)
        #expect(try await get("service?ids=x").text.contains("'ids'"))
        let one = try await get("service/\(ids[1])?fields=id,name")
        #expect(one.text == #"{"id":\#(ids[1]),"name":"beta"}"#)
        let tenant = try await Self.tenant.value.tenant
        for body in [
            #"{"ids":[\#(ids[1])]}"#, #"{"ids":"\#(ids[1])"}"#, #"{"resource":[{"id":\#(ids[1])}]}"#, "[\(ids[1])]",
            #"{"filter":"name = beta"}"#,
        ] {
            let reply = try await tenant.administer("GET", "service?fields=name", body)
            #expect(reply.text == #"{"resource":[{"name":"beta"}]}"#, "\(body)")
        }
    }

    @Test func whatBelongsToOtherRecordsIsShownWhenItIsAskedFor() async throws {
        let id = try await Self.tenant.value.ids[0]
        let plain = try JSONText(checking: try await get("service/\(id)").body)
        #expect(plain["service_doc_by_service_id"] == nil)
        for query in ["related=service_doc_by_service_id", "related=*", "fields=service_doc_by_service_id"] {
            let reply = try JSONText(checking: try await get("service/\(id)?\(query)").body)
            #expect(reply["service_doc_by_service_id"]?["format"]?.integer == 0, "\(query)")
        }
        let both = try await get("service/\(id)?fields=name&related=service_doc_by_service_id")
        let unknown = try await get("service?related=friends")
        #expect(unknown.status == 400)
        #expect(unknown.text.contains("service_doc_by_service_id"))
        #expect(try JSONText(checking: both.body).members.map(\.key) == ["name", "service_doc_by_service_id"])
    }

    private static func service(_ name: String, _ rest: String = "") -> String {
        #"{"name":"\#(name)","type":"python3","config":{"content":"return 1"}\#(rest)}"#
    }

    private func batch(_ reply: HTTPReply) throws -> (error: [Int], resource: [JSONText], message: String) {
        let error = try #require(try JSONText(checking: reply.body)["error"], "\(reply.text)")
        #expect(reply.status == 400)
        #expect(error["code"]?.integer == 1000, "\(reply.text)")
        #expect(error["status_code"]?.integer == 400)
        let context = try #require(error["context"])
        return (
            context["error"]?.elements.compactMap(\.integer) ?? [], context["resource"]?.elements ?? [],
            error["message"]?.string ?? ""
        )
    }

    @Test func ofSeveralRecordsAllAreStoredOrNone() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let records = "[\(Self.service("one")),\(Self.service("b d")),\(Self.service("three"))]"
        for query in ["", "?rollback=true", "?rollback=true&continue=true"] {
            let failure = try batch(try await tenant.administer("POST", "service\(query)", records))
            #expect(failure.error == [1])
            #expect(failure.resource.map(\.isNull) == [true, false, true])
            #expect(failure.resource[1].members.map(\.key) == ["code", "context", "message", "status_code"])
            #expect(failure.resource[1]["status_code"]?.integer == 400)
            #expect(
                failure.message.hasPrefix("Batch Error: Not all records could be created. All changes rolled back."))
            #expect(try await tenant.administer("GET", "service").text == #"{"resource":[]}"#)
        }
    }

    @Test func withContinueEachRecordStandsForItself() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let records = "[\(Self.service("one")),\(Self.service("b d")),\(Self.service("three")),\(Self.service("one"))]"
        let made = try batch(try await tenant.administer("POST", "service?continue=true", "{\"resource\":\(records)}"))
        #expect(made.error == [1, 3])
        #expect(!made.message.contains("rolled back"))
        let ids = [made.resource[0], made.resource[2]].compactMap { $0["id"]?.integer }
        #expect(ids.count == 2)
        #expect(made.resource[3]["message"]?.string?.contains("'one'") == true)
        let names = try await tenant.administer("GET", "service?fields=name&order=name")
        #expect(names.text == #"{"resource":[{"name":"one"},{"name":"three"}]}"#)

        let changes =
            #"[{"id":\#(ids[0]),"label":"New"},{"id":999999,"label":"x"},{"id":\#(ids[1]),"name":"one"},{"label":"y"}]"#
        // What can not be read at all is a fault of the whole.
        let unnamed = try await tenant.administer("PATCH", "service?continue=true", changes)
        #expect(unnamed.status == 400)
        #expect(unnamed.text.contains("'id'"))
        let named = changes.replacing(#",{"label":"y"}"#, with: "")
        let whole = try batch(try await tenant.administer("PUT", "service", named))
        #expect(whole.error == [1])
        #expect(whole.resource[1]["status_code"]?.integer == 404)
        #expect(try await tenant.administer("GET", "service/\(ids[0])?fields=label").text == #"{"label":"one"}"#)
        let changed = try batch(try await tenant.administer("PATCH", "service?continue=1", named))
        #expect(changed.error == [1, 2])
        #expect(try await tenant.administer("GET", "service/\(ids[0])?fields=label").text == #"{"label":"New"}"#)

        let gone = try batch(try await tenant.administer("DELETE", "service?ids=\(ids[0]),999999,\(ids[1])"))
        #expect(gone.error == [1])
        #expect(try await tenant.administer("GET", "service/\(ids[0])?fields=name").status == 200)
        let rest = try batch(
            try await tenant.administer("DELETE", "service?continue=true&ids=\(ids[0]),999999,\(ids[1])"))
        #expect(rest.error == [1])
        #expect(rest.resource[2]["id"]?.integer == ids[1])
        #expect(try await tenant.administer("GET", "service").text == #"{"resource":[]}"#)
    }

    /// The second of each is at fault: once where it is read, once where it is stored, once where it is not there.
    @Test(arguments: [
        ("app", #"{"name":"a"}"#, #"{"name":5}"#), ("app", #"{"name":"a"}"#, #"{"name":"a"}"#),
        ("role", #"{"name":"a"}"#, #"{"name":5}"#), ("role", #"{"name":"a"}"#, #"{"name":"a"}"#),
        ("user", #"{"email":"a@b.c"}"#, #"{"email":5}"#), ("user", #"{"email":"a@b.c"}"#, #"{"email":"a@b.c"}"#),
        ("admin", #"{"email":"a@b.c"}"#, #"{"email":5}"#), ("admin", #"{"email":"a@b.c"}"#, #"{"email":"a@b.c"}"#),
        ("lookup", #"{"name":"a","value":"1"}"#, #"{"name":5}"#),
    ])
    func everyKindOfRecordSaysWhichOneFailed(kind: String, first: String, second: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let before = try await tenant.administer("GET", "\(kind)?as_list=true")
        let failure = try batch(try await tenant.administer("POST", kind, "[\(first),\(second)]"))
        #expect(failure.error == [1])
        #expect(try await tenant.administer("GET", "\(kind)?as_list=true").text == before.text)
        let made = try batch(try await tenant.administer("POST", "\(kind)?continue=true", "[\(first),\(second)]"))
        #expect(made.error == [1])
        let id = try #require(made.resource.first?["id"]?.integer, "\(made.message)")
        let gone = try batch(try await tenant.administer("DELETE", "\(kind)?ids=\(id),999999"))
        #expect(gone.error == [1])
        let changed = try batch(
            try await tenant.administer("PATCH", kind, #"[{"id":\#(id)},{"id":999999}]"#))
        #expect(changed.error == [1])
        #expect(changed.resource.last?["status_code"]?.integer == 404)
        #expect(try await tenant.administer("DELETE", "\(kind)?ids=\(id)").status == 200)
    }

    @Test func oneRecordForAllThatAreNamed() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let made = try await tenant.administer(
            "POST", "service?fields=id,name&wrap=false",
            "[\(Self.service("one")),\(Self.service("two")),\(Self.service("three"))]")
        #expect(made.status == 201)
        let ids = try JSONText(checking: made.body).elements.compactMap { $0["id"]?.integer }
        let byID = try await tenant.administer(
            "PATCH", "service?ids=\(ids[0]),\(ids[1])&fields=label", #"{"label":"A"}"#)
        #expect(byID.text == #"{"resource":[{"label":"A"},{"label":"A"}]}"#)
        let inBody = try await tenant.administer(
            "PATCH", "service?fields=label", #"{"resource":[{"label":"B"}],"ids":[\#(ids[0])]}"#)
        #expect(inBody.text == #"{"resource":[{"label":"B"}]}"#)
        let byFilter = try await tenant.administer(
            "PATCH", "service?filter=label=A&fields=name,label", #"{"label":"C"}"#)
        #expect(byFilter.text == #"{"resource":[{"name":"two","label":"C"}]}"#)
        // A filter beside the ids narrows them.
        let narrowed = try await tenant.administer(
            "DELETE", "service?ids=\(ids[0]),\(ids[1])&filter=label=B&fields=name")
        #expect(narrowed.text == #"{"resource":[{"name":"one"}]}"#)
        let listed = try await tenant.administer("DELETE", "service?fields=name", #"{"resource":[{"id":\#(ids[1])}]}"#)
        #expect(listed.text == #"{"resource":[{"name":"two"}]}"#)
        #expect(try await tenant.administer("DELETE", "service").status == 400)
        #expect(try await tenant.administer("GET", "service?as_list=true").text == #"{"resource":[\#(ids[2])]}"#)
    }

    @Test func whatARoleCanName() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("alpha", "python3", "return 1")
        let doc = #"{"service_doc_by_service_id":{"format":0,"content":"{\"paths\":{\"/add/{id}\":{},\"/sum\":{}}}"}}"#
        #expect(try await tenant.administer("PATCH", "service?filter=name=alpha", doc).status == 200)
        let list = try await tenant.send("GET", "/api/v2/alpha?as_access_list=true")
        #expect(list.text == #"{"resource":["","*","sum","add/{id}","add/*"]}"#)
        #expect(list.header("X-Scriptorium-Job") == nil)
        #expect(try await tenant.send("GET", "/api/v2/alpha?as_access_list=false").text == "1")
        try await tenant.save("own", "python3", "return ['mine']", config: #","implements_access_list":true"#)
        #expect(try await tenant.send("GET", "/api/v2/own?as_access_list=true").text == #"["mine"]"#)
        try await tenant.save("bare", "python3", "return 1")
        #expect(try await tenant.send("GET", "/api/v2/bare?as_access_list=true").text == #"{"resource":["","*"]}"#)
        let system = try await tenant.administer("GET", "?as_access_list=true")
        #expect(system.text.hasPrefix(#"{"resource":["","*","admin","admin/*","app","#), "\(system.text)")
        // A script asks through the same door.
        try await tenant.save(
            "asker", "python3", "import json\nreturn json.loads(platform.api.get('alpha?as_access_list=1').read())")
        #expect(try await tenant.send("GET", "/api/v2/asker").text == list.text)
    }
}
