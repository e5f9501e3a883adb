import Core
import Glibc
import Outbound
import TestSupport
import Testing

/// What becomes of an invocation (contract.md §5), over two ingresses and two workers.
@Suite struct JobsTests {
    func tenant(quotas: String = "{}") async throws -> TestTenant {
        try await TestInstallation.shared().tenant(quotas: quotas)
    }

    let asynchronous = [(name: "Prefer", value: "respond-async")]

    func start(_ tenant: TestTenant, _ path: String, _ body: String? = nil) async throws -> String {
        let reply = try await tenant.send(body == nil ? "GET" : "POST", path, body, headers: asynchronous)
        #expect(reply.status == 202, "\(reply.text)")
        return try #require(reply.header("Location"))
    }

    func job(_ tenant: TestTenant, _ path: String) async throws -> JSONText {
        let reply = try await tenant.send("GET", path)
        #expect(reply.status == 200, "\(reply.text)")
        return try JSONText(checking: reply.body)
    }

    // MARK: Lists

    @Test func theListShowsEachCallerItsOwn() async throws {
        let tenant = try await tenant()
        try await tenant.save("one", "python3", "return 1")
        try await tenant.save("two", "python3", "raise Exception('no')")
        var ids: [String] = []
        for number in 0..<5 {
            let reply = try await tenant.send("GET", "/api/v2/\(number % 2 == 0 ? "one" : "two")/a/\(number)")
            ids.append(try #require(reply.header("X-Scriptorium-Job")))
        }
        func list(_ query: String) async throws -> JSONText { try await job(tenant, "/api/v2/jobs?\(query)") }
        func found(_ json: JSONText) -> [String] { (json["resource"]?.elements ?? []).compactMap { $0["id"]?.string } }

        let all = try await list("")
        #expect(found(all) == ids.reversed())
        #expect(all["meta"]?["next"]?.isNull == true)
        #expect(all["resource"]?.elements.first?["resource"]?.string == "a/4")
        let failed = try await list("status=failed")
        #expect(found(failed) == [ids[3], ids[1]])
        #expect(failed["resource"]?.elements.first?["error"]?["message"]?.string?.contains("no") == true)
        #expect(found(try await list("service=one&since=2020-01-01T00:00:00Z")) == [ids[4], ids[2], ids[0]])
        #expect(found(try await list("until=2020-01-01T00:00:00Z")).isEmpty)
        #expect(found(try await list("app_id=999999")).isEmpty)
        let page = try await list("limit=2")
        let next = try #require(page["meta"]?["next"]?.string)
        #expect(found(page) == [ids[4], ids[3]])
        #expect(found(try await list("limit=2&cursor=\(next)")) == [ids[2], ids[1]])

        // An admin sees all, another app nothing of it, another tenant neither.
        let session = [(name: "X-DreamFactory-Session-Token", value: tenant.token)]
        let admin = try await tenant.send("GET", "/api/v2/jobs", headers: session)
        #expect(try found(JSONText(checking: admin.body)) == ids.reversed())
        let app = try JSONText(checking: try await tenant.administer("POST", "app", #"{"name":"other"}"#).body)
        let key = try #require(app["resource"]?.elements.first?["api_key"]?.string ?? app["api_key"]?.string)
        for caller in [[(name: "X-API-Key", value: key)], [(name: "X-API-Key", value: try await self.tenant().apiKey)]]
        {
            let theirs = try await tenant.raw("GET", "/api/v2/jobs", headers: caller)
            #expect(theirs.status == 200)
            #expect(try found(JSONText(checking: theirs.body)).isEmpty)
        }
    }

    @Test(arguments: [
        "status=done", "limit=0", "limit=1001", "limit=x", "since=yesterday", "until=1", "app_id=x", "cursor=nonsense",
        "cursor=-9223372036854775808.01900000-0000-7000-8000-000000000000",
        "cursor=9223372036854775807.01900000-0000-7000-8000-000000000000",
    ])
    func aListThatIsNotUnderstoodIsRefused(query: String) async throws {
        let reply = try await tenant().send("GET", "/api/v2/jobs?\(query)")
        #expect(reply.status == 400)
        let name = query.prefix { $0 != "=" }
        #expect(try JSONText(checking: reply.body)["error"]?["message"]?.string?.contains("'\(name)'") == true)
    }

    @Test func theStoredRequestIsShownWithoutItsCredentials() async throws {
        let tenant = try await tenant()
        try await tenant.save("echo", "python3", "return 1")
        let path = try await start(tenant, "/api/v2/echo/a?b=c&api_key=\(tenant.apiKey)", #"{"x": 1.50}"#)
        let reply = try await tenant.send("GET", "\(path)/request")
        let json = try JSONText(checking: reply.body)
        #expect(json["method"]?.string == "POST")
        #expect(json["resource"]?.string == "a")
        #expect(json["query"]?.string == "b=c&api_key=***")
        #expect(json["body"]?.string == #"{"x": 1.50}"#)
        #expect(!reply.text.contains(tenant.apiKey))
        #expect(reply.text.contains("***"))
    }

    // MARK: Cancelling and repeating

    @Test func aCancelledScriptIsGoneWithinASecond() async throws {
        let tenant = try await tenant()
        let name = ScriptName()
        try await tenant.save(
            "sleeper", "python3", "\(name.line)import time\nprint('begun', flush=True)\ntime.sleep(600)")
        let call = Task {
            try await tenant.send("GET", "/api/v2/sleeper", headers: [(name: "Prefer", value: "wait=60")])
        }
        var path = ""
        try await eventually("the job runs") {
            let list = try await job(tenant, "/api/v2/jobs?status=running")
            path = list["resource"]?.elements.first?["href"]?.string ?? ""
            return !path.isEmpty
        }
        try await eventually("the script has begun") {
            try await job(tenant, "\(path)/logs")["resource"]?.elements.first?["text"]?.string == "begun"
        }
        #expect(name.process != nil)
        let cancelled = try await tenant.send("DELETE", path)
        #expect(cancelled.status == 200)
        #expect(try JSONText(checking: cancelled.body)["status"]?.string == "cancelled")
        try await eventually("the script's process is gone", within: .seconds(5)) { name.process == nil }
        let reply = try await call.value
        #expect(reply.status == 409)
        #expect(try await tenant.send("GET", "\(path)/response").status == 409)
        let again = try await tenant.send("DELETE", path)
        #expect(again.status == 409)
        #expect(try await job(tenant, path)["status"]?.string == "cancelled")
    }

    @Test func aQueuedJobThatIsCancelledNeverRuns() async throws {
        let tenant = try await tenant()
        try await tenant.save("later", "python3", "return 1")
        let path = try await start(tenant, "/api/v2/later?delay=3600")
        let before = try await job(tenant, path)
        #expect(before["status"]?.string == "queued")
        #expect(before["run_at"]?.string != nil)
        #expect(try await tenant.send("DELETE", path).status == 200)
        let after = try await job(tenant, path)
        #expect(after["status"]?.string == "cancelled")
        #expect(after["attempt"]?.integer == 0)
        #expect(after["started_at"]?.isNull == true)
    }

    @Test func aJobIsSentAgain() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "again", "python3", "return {'got': event.request.payload.a, 'who': platform.session.app.id}")
        let first = try await start(tenant, "/api/v2/again/x?y=z", #"{"a":12345678901234567890}"#)
        let answer = try await tenant.send("GET", "\(first)/response?wait=30")
        let reply = try await tenant.send("POST", "\(first)/retry")
        #expect(reply.status == 201)
        let second = try #require(reply.header("Location"))
        let json = try JSONText(checking: reply.body)
        #expect(json["retry_of"]?.string.map { "/api/v2/jobs/\($0)" } == first)
        #expect(json["href"]?.string == second)
        #expect(try await tenant.send("GET", "\(second)/response?wait=30").text == answer.text)
        #expect(answer.text.contains("12345678901234567890"))
    }

    @Test func aJobIsNotSentAgainForAnAppThatIsGone() async throws {
        let tenant = try await tenant()
        try await tenant.save("again", "python3", "return 1")
        let app = try JSONText(checking: try await tenant.administer("POST", "app", #"{"name":"brief"}"#).body)
        let made = try #require(app["resource"]?.elements.first)
        let key = [(name: "X-API-Key", value: try #require(made["api_key"]?.string))]
        let role = try JSONText(checking: try await tenant.administer("GET", "app").body)["resource"]?.elements
            .compactMap { $0["role_id"]?.integer }.first
        let id = try #require(made["id"]?.text)
        _ = try await tenant.administer("PATCH", "app/\(id)", #"{"role_id":\#(try #require(role))}"#)
        var path = ""
        try await eventually("the app may call") {
            let reply = try await tenant.raw("GET", "/api/v2/again", headers: key)
            path = reply.header("X-Scriptorium-Job").map { "/api/v2/jobs/\($0)" } ?? ""
            return reply.status == 200
        }
        _ = try await tenant.administer("PATCH", "app/\(id)", #"{"is_active":false}"#)
        let session = [(name: "X-DreamFactory-Session-Token", value: tenant.token)]
        try await eventually("it is refused") {
            let reply = try await tenant.send("POST", "\(path)/retry", headers: session)
            return reply.status == 409 && reply.text.contains("app")
        }
    }

    @Test func aJobThatHasNotEndedIsNotSentAgain() async throws {
        let tenant = try await tenant()
        try await tenant.save("waits", "python3", "return 1")
        let path = try await start(tenant, "/api/v2/waits?delay=3600")
        #expect(try await tenant.send("POST", "\(path)/retry").status == 409)
    }

    // MARK: Attempts

    @Test func aFailingScriptIsTriedAgainWhereItsAuthorWantsIt() async throws {
        let tenant = try await tenant()
        let script =
            "if event.job.attempt < 3: raise Exception('not yet ' + str(event.job.attempt))\nreturn event.job.attempt"
        try await tenant.save("stubborn", "python3", script, config: #","retry_on_error":true"#)
        try await tenant.save("once", "python3", script)
        let stubborn = try await start(tenant, "/api/v2/stubborn")
        let once = try await start(tenant, "/api/v2/once")
        #expect(try await tenant.send("GET", "\(once)/response?wait=30").status == 500)
        let reply = try await tenant.send("GET", "\(stubborn)/response?wait=60")
        #expect(reply.text == "3")
        let ended = try await job(tenant, stubborn)
        #expect(ended["attempt"]?.integer == 3)
        let lines =
            try await job(tenant, "\(stubborn)/logs")["resource"]?.elements.compactMap { $0["text"]?.string } ?? []
        for attempt in 1...2 {
            #expect(lines.contains { $0.contains("Attempt \(attempt) of 3") && $0.contains("not yet \(attempt)") })
        }
        // A synchronous call is tried once.
        #expect(try await tenant.send("GET", "/api/v2/stubborn").status == 500)
    }

    @Test func aJobCanEndWithItsCallersWait() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "strict", "python3", "import time\ntime.sleep(600)", config: #","on_wait_expired":"cancel""#)
        let reply = try await tenant.send("GET", "/api/v2/strict", headers: [(name: "Prefer", value: "wait=1")])
        #expect(reply.status == 504)
        let id = try #require(reply.header("X-Scriptorium-Job"))
        #expect(try await job(tenant, "/api/v2/jobs/\(id)")["status"]?.string == "expired")
        #expect(try await tenant.send("GET", "/api/v2/jobs/\(id)/response").status == 504)
    }

    @Test(arguments: [
        ("delay=-1", "delay"), ("delay=x", "delay"), ("delay=31536001", "delay"), ("run_at=tomorrow", "run_at"),
        ("run_at=2999-01-01T00:00:00Z", "run_at"), ("delay=1&run_at=2026-01-01T00:00:00Z", "run_at"),
    ])
    func aStartThatIsNotUnderstoodIsRefused(query: String, name: String) async throws {
        let tenant = try await tenant()
        try await tenant.save("never", "python3", "return 1")
        let reply = try await tenant.send("GET", "/api/v2/never?\(query)", headers: asynchronous)
        #expect(reply.status == 400)
        #expect(reply.text.contains(name))
        let synchronous = try await tenant.send("GET", "/api/v2/never?delay=1")
        #expect(synchronous.status == 400)
        #expect(synchronous.text.contains("respond-async"))
    }

    @Test func aStartThatIsPastIsNow() async throws {
        let tenant = try await tenant()
        try await tenant.save("now", "python3", "return event.request.parameters.run_at")
        let path = try await start(tenant, "/api/v2/now?run_at=2020-01-31T09:00:00%2B01:00")
        #expect(try await tenant.send("GET", "\(path)/response?wait=30").text == #""2020-01-31T09:00:00+01:00""#)
    }

    @Test func whoHangsUpFindsTheAnswerLater() async throws {
        let tenant = try await tenant()
        try await tenant.save("patient", "python3", "import time\ntime.sleep(2)\nreturn 'there'")
        let key = [(name: "Idempotency-Key", value: "hung-up")]
        await #expect(throws: OutboundError.self) {
            try await tenant.send("GET", "/api/v2/patient", headers: key, timeout: .milliseconds(700))
        }
        let list = try await job(tenant, "/api/v2/jobs")
        let path = try #require(list["resource"]?.elements.first?["href"]?.string)
        #expect(try await tenant.send("GET", "\(path)/response?wait=30").text == #""there""#)
        #expect(try await tenant.send("GET", "/api/v2/patient", headers: key).text == #""there""#)
        #expect(try await job(tenant, "/api/v2/jobs")["resource"]?.elements.count == 1)
    }

    // MARK: Logs

    @Test func theLogIsFollowedWhileTheScriptPrints() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "talk", "python3",
            "import time\nfor n in range(4):\n    print('line', n, flush=True)\n    time.sleep(0.6)\nreturn 1")
        let path = try await start(tenant, "/api/v2/talk")
        let stream = [(name: "Accept", value: "text/event-stream")]
        let whole = try await tenant.send("GET", "\(path)/logs", headers: stream, ingress: 1)
        #expect(whole.status == 200)
        #expect(whole.header("Content-Type") == "text/event-stream")
        let events = whole.text.split(separator: "\n\n").filter { !$0.hasPrefix(":") }
        #expect(events.count == 5)
        for number in 0..<4 where number < events.count {
            #expect(events[number].hasPrefix("id: \(number + 1)\ndata: {\"seq\":\(number + 1),"))
            #expect(events[number].contains("line \(number)"))
        }
        #expect(events.last == "event: end\ndata: {\"status\":\"succeeded\"}")
        let rest = try await tenant.send(
            "GET", "\(path)/logs", headers: stream + [(name: "Last-Event-ID", value: "3")])
        #expect(rest.text.hasPrefix("id: 4\n"))
        let after = try await job(tenant, "\(path)/logs?after=3")
        #expect(after["resource"]?.elements.count == 1)
    }

    /// A job may run, or wait, for very long: whoever follows it is let in once, and not for ever.
    @Test func nobodyFollowsALogWhoIsNotLetInAnyMore() async throws {
        let tenant = try await tenant()
        try await tenant.save("later", "python3", "return 1")
        let path = try await start(tenant, "/api/v2/later?delay=3600")
        let installation = tenant.installation
        let stream = try await installation.http.stream(
            HTTPCall(
                method: "GET", url: installation.ingresses[1] + "\(path)/logs",
                headers: [
                    (name: "X-API-Key", value: tenant.apiKey), (name: "Accept", value: "text/event-stream"),
                ],
                timeout: .seconds(20)))
        #expect(stream.status == 200)
        let suspended = try await installation.http.send(
            HTTPCall(
                method: "PATCH", url: "\(installation.ingresses[0])/operator/tenants/\(tenant.name)",
                headers: [
                    (name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)"),
                    (name: "Content-Type", value: "application/json"),
                ],
                body: Array(#"{"suspended":true}"#.utf8)))
        #expect(suspended.status == 200)
        // It ends, and not with the job's end.
        var events: [UInt8] = []
        for try await piece in stream.body { events += piece }
        #expect(events.isEmpty, "\(String(decoding: events, as: UTF8.self))")
    }

    // MARK: Retention

    @Test func aJobPastItsRetentionIsGone() async throws {
        let tenant = try await tenant(quotas: #"{"retention_seconds":60}"#)
        // An id of two minutes ago: whether there was such a job is not told.
        let old = JobID(milliseconds: JobID(milliseconds: 0).milliseconds + UInt64(time(nil) - 120) * 1000)
        for part in ["", "/response", "/logs", "/request"] {
            let reply = try await tenant.send("GET", "/api/v2/jobs/\(old)\(part)")
            #expect(reply.status == 410, "\(reply.text)")
        }
        let fresh = JobID(milliseconds: UInt64(time(nil)) * 1000)
        #expect(try await tenant.send("GET", "/api/v2/jobs/\(fresh)").status == 404)
    }
}
