import Core
import Outbound
import TestSupport
import Testing

/// Events of the platform's own services, and the resources that show and store event scripts (dreamfactory.md §7.2, §7.3).
@Suite struct SystemEventTests {
    private func tenant() async throws -> TestTenant { try await TestInstallation.shared().tenant() }

    private func signIn(_ tenant: TestTenant) async throws -> HTTPReply {
        try await tenant.send(
            "POST", "/api/v2/user/session", #"{"email":"\#(tenant.email)","password":"\#(tenant.password)"}"#,
            ingress: 0)
    }

    @Test func aSignInHasEventsAndItsUser() async throws {
        let tenant = try await tenant()
        try await tenant.bind(
            "user.session.post.post_process", "nodejs",
            """
            event.response.content.seen = platform.session.user.email;
            delete event.response.content.last_name;
            """, modifies: true)
        let reply = try await signIn(tenant)
        #expect(reply.status == 200, "\(reply.text)")
        let body = try JSONText(checking: reply.body)
        #expect(body["seen"]?.string == tenant.email)
        #expect(body["last_name"] == nil)
        // The token is a real one.
        let token = try #require(body["session_token"]?.string)
        let session = try await tenant.send(
            "GET", "/api/v2/user/session", headers: [(name: "X-DreamFactory-Session-Token", value: token)], ingress: 0)
        #expect(session.status == 200)
    }

    @Test func aSignInCanBeRefusedAndASignOutEndsTheToken() async throws {
        let tenant = try await tenant()
        let token = try #require(try JSONText(checking: try await signIn(tenant).body)["session_token"]?.string)
        try await tenant.bind(
            "user.session.post.pre_process", "php",
            "throw new \\DreamFactory\\Core\\Exceptions\\ForbiddenException('Closed today.');")
        let refused = try await signIn(tenant)
        #expect(refused.status == 403)
        #expect(try JSONText(checking: refused.body)["error"]?["message"]?.string == "Closed today.")
        try await tenant.bind("user.session.delete.pre_process", "nodejs", "console.log('bye');")
        let mine = [(name: "X-DreamFactory-Session-Token", value: token)]
        let out = try await tenant.send("DELETE", "/api/v2/user/session", headers: mine, ingress: 0)
        #expect(out.status == 200, "\(out.text)")
        #expect(out.header("X-Scriptorium-Job") != nil)
        #expect(try await tenant.send("GET", "/api/v2/user/session", headers: mine, ingress: 0).status == 401)
    }

    @Test func whatSignsSomebodyInIsNotInTheJobOfASignIn() async throws {
        let tenant = try await tenant()
        try await tenant.bind("user.session.post.post_process", "nodejs", "1;")
        let reply = try await signIn(tenant)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let token = try #require(try JSONText(checking: reply.body)["session_token"]?.string)
        for path in ["", "/request", "/response", "/logs"] {
            let shown = try await tenant.send(
                "GET", "/api/v2/jobs/\(job)\(path)",
                headers: [(name: "X-DreamFactory-Session-Token", value: tenant.token)])
            let mine = try await tenant.send("GET", "/api/v2/jobs/\(job)\(path)")
            for text in [shown.text, mine.text] {
                #expect(!text.contains(tenant.password), "\(path)")
                #expect(!text.contains(token), "\(path)")
            }
        }
        let response = try await tenant.send("GET", "/api/v2/jobs/\(job)/response")
        #expect(response.status == 410)
        let request = try await tenant.send("GET", "/api/v2/jobs/\(job)/request")
        #expect(request.text.contains("***"))
    }

    @Test func recordsOfTheSystemHaveEvents() async throws {
        let tenant = try await tenant()
        try await tenant.save("one", "nodejs", "return 1;")
        let list = try await tenant.administer("GET", "service?fields=id,name", ingress: 0)
        let id = try #require(try JSONText(checking: list.body)["resource"]?.elements.first?["id"]?.integer)
        try await tenant.bind(
            "system.service.get.post_process", "nodejs", "event.response.content.resource[0].mark = 1;", modifies: true)
        try await tenant.bind(
            "system.service.{id}.get.post_process", "python3", "event.response.content.id_was = event.resource",
            modifies: true)
        try await tenant.bind(
            "system.service.post.pre_process", "nodejs",
            "for (const r of event.request.payload.resource) r.label = 'by the script';", modifies: true)
        let marked = try await tenant.administer("GET", "service", ingress: 0)
        #expect(
            try JSONText(checking: marked.body)["resource"]?.elements.first?["mark"]?.integer == 1, "\(marked.text)")
        let one = try await tenant.administer("GET", "service/\(id)?fields=id", ingress: 0)
        #expect(one.text == #"{"id":\#(id),"id_was":"\#(id)"}"#)
        let made = try await tenant.administer(
            "POST", "service?fields=label",
            #"{"resource":[{"name":"two","type":"nodejs","config":{"content":"return 2;"}}]}"#, ingress: 0)
        #expect(made.status == 201, "\(made.text)")
        #expect(made.text.contains("by the script"))
        // Rights are looked at before any script runs.
        #expect(try await tenant.send("GET", "/api/v2/system/service", ingress: 0).status == 403)
    }

    @Test func anErrorOfTheServiceIsSeenByWhatRunsAfterIt() async throws {
        let tenant = try await tenant()
        try await tenant.bind(
            "system.service.{id}.get.post_process", "nodejs",
            "event.response.content.error.message += ' Really.';", modifies: true)
        let reply = try await tenant.administer("GET", "service/99999", ingress: 0)
        #expect(reply.status == 404)
        #expect(reply.text.contains("not found. Really."))
    }

    @Test func aCallOfTheSystemCanBeAJob() async throws {
        let tenant = try await tenant()
        let reply = try await tenant.administer("GET", "script_type?async=true&as_list=true")
        #expect(reply.status == 202, "\(reply.text)")
        let path = try #require(reply.header("Location"))
        let result = try await tenant.send("GET", "\(path)/response?wait=30")
        #expect(result.status == 200)
        #expect(result.text.contains("python3"))
    }

    @Test func theEventsAreListed() async throws {
        let tenant = try await tenant()
        let doc = #"{"content":{"paths":{"/item/{id}":{"get":{}},"/add":{"post":{}}}}}"#
        let made = try await tenant.administer(
            "POST", "service",
            #"{"name":"Shop","type":"nodejs","config":{"content":""},"service_doc_by_service_id":\#(doc)}"#, ingress: 0)
        #expect(made.status == 201)
        func get(_ query: String) async throws -> JSONText {
            try JSONText(checking: try await tenant.administer("GET", "event?\(query)", ingress: 0).body)
        }
        let shop = try await get("service=Shop")
        #expect(shop["Shop"]?["Shop.add"]?.text == #"{"type":"api","endpoints":["Shop.add.post"],"parameter":null}"#)
        #expect(
            shop["Shop"]?["Shop.item.{id}"]?.text
                == #"{"type":"api","endpoints":["Shop.item.{id}.get"],"parameter":{"id":[]}}"#)
        let list = try await get("service=Shop&as_list=true&scriptable=1")
        #expect(
            list["resource"]?.elements.compactMap(\.string).filter { $0.contains("item") } == [
                "Shop.item.{id}.get", "Shop.item.{id}.get.pre_process", "Shop.item.{id}.get.post_process",
                "Shop.item.{id}.get.queued",
            ])
        #expect(try await get("services_only=true").text == #"{"resource":["Shop","system","user"]}"#)
        #expect(try await get("as_list=true")["resource"]?.elements.contains(.string("user.session.post")) == true)
        #expect(try await tenant.administer("GET", "event?service=nothing").status == 404)
    }

    @Test func eventScriptsAreRecords() async throws {
        let tenant = try await tenant()
        let script = #""type":"nodejs","content":"return 1;""#
        let made = try await tenant.administer("POST", "event_script/a.get.queued", "{\(script)}", ingress: 0)
        #expect(made.status == 201)
        let full = try JSONText(checking: made.body)
        #expect(full["name"]?.string == "a.get.queued")
        #expect(full["is_active"]?.bool == false)
        #expect(full["allow_event_modification"]?.bool == false)
        #expect(full["version"]?.integer == 1)
        let changed = try await tenant.administer(
            "POST", "event_script/a.get.queued", #"{"resource":[{"content":"return 2;"}]}"#, ingress: 0)
        #expect(changed.status == 200)
        #expect(try JSONText(checking: changed.body)["version"]?.integer == 2)
        let several = try await tenant.administer(
            "POST", "event_script", #"{"resource":[{"name":"b.get",\#(script)},{"name":"c.get",\#(script)}]}"#,
            ingress: 0)
        #expect(several.text == #"{"resource":[{"name":"b.get"},{"name":"c.get"}]}"#)
        #expect(several.status == 201)
        let list = try await tenant.administer("GET", "event_script?as_list=true", ingress: 0)
        #expect(list.text == #"{"resource":["a.get.queued","b.get","c.get"]}"#)
        let some = try await tenant.administer("GET", "event_script?ids=b.get&fields=name,type", ingress: 0)
        #expect(some.text == #"{"resource":[{"name":"b.get","type":"nodejs"}]}"#)
        let gone = try await tenant.administer("DELETE", "event_script?ids=b.get,c.get", ingress: 0)
        #expect(gone.status == 200)
        #expect(try await tenant.administer("GET", "event_script/b.get", ingress: 0).status == 404)
        let removed = try await tenant.administer("DELETE", "event_script/a.get.queued", ingress: 0)
        #expect(removed.text == #"{"name":"a.get.queued"}"#)
    }

    @Test(arguments: [
        ("POST", "event_script/nonsense", #"{"type":"nodejs","content":""}"#, 400, "service[.path].verb"),
        ("POST", "event_script/a.fetch.pre_process", #"{"type":"nodejs","content":""}"#, 400, "service[.path].verb"),
        ("POST", "event_script/a.get.before", #"{"type":"nodejs","content":""}"#, 400, "service[.path].verb"),
        ("POST", "event_script/a.get", #"{"type":"ruby","content":""}"#, 400, "'ruby'"),
        ("POST", "event_script/a.get", #"{"content":""}"#, 400, "'type' is missing"),
        ("POST", "event_script/a.get", #"{"type":"php","content":"<?php\n$x = ;"}"#, 400, "line 2"),
        ("POST", "event_script/a.get", #"{"type":"php","content":5}"#, 400, "'content'"),
        ("POST", "event_script/a.get", #"{"type":"php","content":"","storage_path":"a/b"}"#, 400, "'storage_path'"),
        ("POST", "event_script", #"{"type":"php","content":""}"#, 400, "'name'"),
        ("PUT", "event_script/not.there.get", #"{"content":""}"#, 404, "not found"),
        ("DELETE", "event_script", nil, 400, "Say which"),
        ("POST", "event", "{}", 405, "POST"),
    ])
    func wrongRecordsAreRefused(
        method: String, path: String, body: String?, status: Int, message: String
    ) async throws {
        let tenant = try await tenant()
        let reply = try await tenant.administer(method, path, body)
        #expect(reply.status == status)
        #expect(
            try JSONText(checking: reply.body)["error"]?["message"]?.string?.contains(message) == true, "\(reply.text)")
    }
}
