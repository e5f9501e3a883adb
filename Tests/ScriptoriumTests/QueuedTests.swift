import Core
import Outbound
import TestSupport
import Testing

/// Scripts that run after their caller has been answered: queued services and queued event scripts (dreamfactory.md §8).
@Suite struct QueuedTests {
    private func tenant() async throws -> TestTenant { try await TestInstallation.shared().tenant() }

    private func record(_ job: String, _ tenant: TestTenant, wait: Int = 0) async throws -> JSONText {
        try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)?wait=\(wait)").body)
    }

    @Test(arguments: ["GET", "POST"])
    func aQueuedServiceAnswersAtOnceAndKeepsItsResult(method: String) async throws {
        let tenant = try await tenant()
        try await tenant.save("later", "python3", "return {'did': event.request.method}", config: #","queued":true"#)
        let reply = try await tenant.send(method, "/api/v2/later")
        #expect(reply.status == 202)
        let body = try JSONText(checking: reply.body)
        #expect(body.members.map(\.key) == ["success", "id", "status", "href", "response_href"])
        #expect(body["success"]?.bool == true)
        #expect(reply.header("Preference-Applied") == nil)
        let path = try #require(reply.header("Location"))
        let result = try await tenant.send("GET", "\(path)/response?wait=30")
        #expect(result.status == 200)
        #expect(result.text == #"{"did":"\#(method)"}"#)
        #expect(try await record(try #require(body["id"]?.string), tenant)["status"]?.string == "succeeded")
    }

    @Test func aQueuedScriptThatThrowsIsAFailedJob() async throws {
        let tenant = try await tenant()
        try await tenant.save("later", "nodejs", "throw new Error('no luck');", config: #","queued":true"#)
        let reply = try await tenant.send("POST", "/api/v2/later", "{}")
        #expect(reply.status == 202)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let record = try await record(job, tenant, wait: 30)
        #expect(record["status"]?.string == "failed")
        #expect(record["error"]?["message"]?.string == "no luck")
    }

    @Test(arguments: [#"{"delay":"3600"}"#, #"{"QUEUED_DELAY":3600}"#])
    func aDelayOfTheAuthorsIsKept(config: String) async throws {
        let tenant = try await tenant()
        try await tenant.save("later", "nodejs", "return 1;", config: #","queued":true,"config":\#(config)"#)
        let reply = try await tenant.send("POST", "/api/v2/later", "{}")
        #expect(reply.status == 202)
        let delayed = try await record(try #require(reply.header("X-Scriptorium-Job")), tenant)
        #expect(delayed["status"]?.string == "queued")
        #expect(delayed["run_at"]?.string != nil)
        // The caller's own word goes before the author's.
        let now = try await tenant.send("POST", "/api/v2/later?delay=0.1", "{}")
        let soon = try await record(try #require(now.header("X-Scriptorium-Job")), tenant, wait: 30)
        #expect(soon["status"]?.string == "succeeded")
    }

    @Test(arguments: [
        (#","queued":"yes""#, "config.queued"), (#","queued":true,"config":{"delay":"soon"}"#, "config.config.delay"),
        (#","queued":true,"config":{"QUEUED_DELAY":-1}"#, "config.config.QUEUED_DELAY"),
    ])
    func wrongSettingsAreRefused(config: String, named: String) async throws {
        let tenant = try await tenant()
        let reply = try await tenant.administer(
            "POST", "service", #"{"name":"later","type":"nodejs","config":{"content":"return 1;"\#(config)}}"#)
        #expect(reply.status == 400)
        #expect(reply.text.contains(named))
    }

    @Test func anInternalCallOfAQueuedServiceDoesNotWait() async throws {
        let tenant = try await tenant()
        try await tenant.save("later", "nodejs", "return {late: 1};", config: #","queued":true"#)
        try await tenant.save("outer", "php", "return $platform['api']->post('later', ['a' => 1]);")
        let reply = try await tenant.send("GET", "/api/v2/outer")
        #expect(reply.status == 202, "\(reply.text)")
        let body = try JSONText(checking: reply.body)
        #expect(body["success"]?.bool == true)
        let path = try #require(body["response_href"]?.string)
        #expect(try await tenant.send("GET", "\(path)?wait=30").text == #"{"late":1}"#)
    }

    /// The newest job of a tenant that is not `job`.
    private func follower(of job: String, _ tenant: TestTenant) async throws -> JSONText {
        var found: JSONText?
        try await eventually("the queued script has a job", within: .seconds(30)) {
            let list = try await tenant.send("GET", "/api/v2/jobs")
            found = try JSONText(checking: list.body)["resource"]?.elements.first { $0["id"]?.string != job }
            return found != nil
        }
        return try #require(found)
    }

    @Test func aQueuedEventScriptRunsAsAJobOfItsOwn() async throws {
        let tenant = try await tenant()
        try await tenant.save("shop", "nodejs", "return {sold: event.request.payload.n};")
        try await tenant.bind(
            "shop.post.queued", "python3",
            """
            print(event.request.payload.n, event.response.content.sold, event.response.status_code, event.stage)
            return {'mailed': event.name}
            """)
        let reply = try await tenant.send("POST", "/api/v2/shop", #"{"n":3}"#, ingress: 0)
        #expect(reply.text == #"{"sold":3}"#)
        let follower = try await follower(of: try #require(reply.header("X-Scriptorium-Job")), tenant)
        let id = try #require(follower["id"]?.string)
        let result = try await tenant.send("GET", "/api/v2/jobs/\(id)/response?wait=30")
        #expect(result.text == #"{"mailed":"shop.post"}"#)
        let log = try await tenant.send("GET", "/api/v2/jobs/\(id)/logs")
        #expect(try JSONText(checking: log.body)["resource"]?.elements.map { $0["text"]?.string } == ["3 3 200 queued"])
        let again = try await tenant.send("POST", "/api/v2/jobs/\(id)/retry")
        #expect(again.status == 201, "\(again.text)")
        let retried = try #require(try JSONText(checking: again.body)["id"]?.string)
        #expect(
            try await tenant.send("GET", "/api/v2/jobs/\(retried)/response?wait=30").text == #"{"mailed":"shop.post"}"#)
    }

    @Test func aScriptOnThePlainEventStandsForTheQueuedOne() async throws {
        let tenant = try await tenant()
        try await tenant.save("shop", "nodejs", "return {ok: 1};")
        try await tenant.bind("shop.get.queued", "nodejs", "console.log('queued');")
        try await tenant.bind(
            "shop.get", "nodejs", "console.log('plain'); event.response.content = 'mine';", modifies: true)
        let reply = try await tenant.send("GET", "/api/v2/shop", ingress: 0)
        #expect(reply.text == #"{"ok":1}"#)
        let list = try await tenant.send("GET", "/api/v2/jobs")
        #expect(try JSONText(checking: list.body)["resource"]?.elements.count == 1)
    }
}
