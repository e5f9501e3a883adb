import Core
import Database
import Outbound
import TestSupport
import Testing

/// Calls of scripts by scripts are jobs too, which never wait (contract.md §10). The worker of this installation has one
/// slot: who waited for another would wait for ever.
@Suite struct ChildJobTests {
    private static let narrow = Task {
        let environment = [
            "SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(migrations: Migration.embedded),
            "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
            "SCRIPTORIUM_OPERATOR_TOKEN": TestInstallation.operatorToken,
            "SCRIPTORIUM_PORT": "0", "SCRIPTORIUM_WORKER_CONCURRENCY": "1",
        ]
        let programs = [
            try await TestProgram(["ingress"], environment: environment),
            try await TestProgram(["worker"], environment: environment),
        ]
        let url = try await programs[0].line(after: "ready ")
        _ = try await programs[1].line(after: "ready ")
        return (TestInstallation(ingresses: [url], environment: environment), programs)
    }

    private func tenant(quotas: String = #"{"max_concurrent":1}"#) async throws -> TestTenant {
        try await Self.narrow.value.0.tenant(quotas: quotas)
    }

    private func json(_ tenant: TestTenant, _ path: String) async throws -> JSONText {
        let reply = try await tenant.send("GET", "/api/v2/\(path)")
        try #require(reply.status == 200, "\(path): \(reply.text)")
        return try JSONText(checking: reply.body)
    }

    /// The jobs that a job's script has called.
    private func children(_ tenant: TestTenant, of job: String) async throws -> [JSONText] {
        try await json(tenant, "jobs?parent_id=\(job)")["resource"]?.elements ?? []
    }

    private func lines(_ tenant: TestTenant, _ job: String) async throws -> [String] {
        try await json(tenant, "jobs/\(job)/logs")["resource"]?.elements.compactMap { $0["text"]?.string } ?? []
    }

    @Test func eachCallOfAScriptIsAJobOfItsCaller() async throws {
        let tenant = try await tenant()
        try await tenant.save("leaf", "php", "echo 'in leaf'; return ['content'=>$event['job'],'status_code'=>201];")
        try await tenant.save(
            "middle", "python3",
            "print('in middle')\nleaf = platform.api.post('leaf/deep?x=1', {'a': 1}).read().decode()\n"
                + "import json\nreturn {'own': event.job, 'leaf': json.loads(leaf)}")
        try await tenant.save(
            "top", "nodejs",
            "console.log('in top');\n"
                + "platform.api.get('middle', '', (body) => event.setResponse({own: event.job, middle: JSON.parse(body)}));"
        )
        let reply = try await tenant.send("GET", "/api/v2/top")
        #expect(reply.status == 200)
        let top = try #require(reply.header("X-Scriptorium-Job"))
        let seen = try JSONText(checking: reply.body)
        #expect(seen["own"]?["id"]?.string == top)
        #expect(seen["own"]?["parent_id"]?.isNull == true)

        let middle = try #require(try await children(tenant, of: top).first)
        let middleID = try #require(middle["id"]?.string)
        #expect(try await children(tenant, of: top).count == 1)
        #expect(seen["middle"]?["own"]?["id"]?.string == middleID)
        #expect(seen["middle"]?["own"]?["parent_id"]?.string == top)
        let leaf = try #require(try await children(tenant, of: middleID).first)
        let leafID = try #require(leaf["id"]?.string)
        #expect(seen["middle"]?["leaf"]?["id"]?.string == leafID)
        #expect(seen["middle"]?["leaf"]?["parent_id"]?.string == middleID)

        // It tells its own story, at its own address.
        for (key, value) in [
            ("status", "succeeded"), ("service", "leaf"), ("resource", "deep"), ("method", "POST"),
            ("parent_id", middleID),
        ] {
            #expect(leaf[key]?.string == value)
        }
        #expect(leaf["attempt"]?.integer == 1)
        #expect(leaf["max_attempts"]?.integer == 1)
        #expect(leaf["queue_ms"]?.integer == 0)
        #expect((leaf["peak_memory_bytes"]?.integer ?? 0) > 100_000)
        let response = try await tenant.send("GET", "/api/v2/jobs/\(leafID)/response")
        #expect(response.status == 201)
        #expect(try JSONText(checking: response.body)["id"]?.string == leafID)
        let request = try await json(tenant, "jobs/\(leafID)/request")
        #expect(request["query"]?.string == "x=1")
        #expect(request["body"]?.string == #"{"a": 1}"# || request["body"]?.string == #"{"a":1}"#)
        // A job's log has the lines of what it called, too.
        #expect(try await lines(tenant, leafID) == ["in leaf"])
        #expect(try await lines(tenant, middleID) == ["in middle", "in leaf"])
        #expect(try await lines(tenant, top) == ["in top", "in middle", "in leaf"])

        // It is nothing that could be repeated or ended by itself.
        let retry = try await tenant.send("POST", "/api/v2/jobs/\(leafID)/retry")
        #expect(retry.status == 409)
        #expect(retry.text.contains(middleID))
        #expect(try await tenant.send("DELETE", "/api/v2/jobs/\(leafID)").status == 409)
    }

    @Test func whoMayNotSeeTheParentMayNotSeeTheChild() async throws {
        let tenant = try await tenant()
        try await tenant.save("leaf", "php", "return 1;")
        try await tenant.save("caller", "python3", "return platform.api.get('leaf').status")
        let top = try #require(try await tenant.send("GET", "/api/v2/caller").header("X-Scriptorium-Job"))
        let child = try #require(try await children(tenant, of: top).first?["id"]?.string)
        let app = try JSONText(
            checking: try await tenant.administer("POST", "app", #"{"name":"other","is_active":true}"#).body)
        let key = try #require((app["resource"]?.elements.first ?? app)["api_key"]?.string)
        for path in ["jobs/\(child)", "jobs/\(child)/response", "jobs/\(child)/logs"] {
            let other = try await tenant.raw("GET", "/api/v2/\(path)", headers: [(name: "X-API-Key", value: key)])
            #expect(other.status == 404 || other.status == 403, "\(other.status)")
        }
        let stranger = try await self.tenant()
        #expect(try await stranger.send("GET", "/api/v2/jobs/\(child)").status == 404)
    }

    @Test func aFailedCallIsAFailedJobOfASucceededOne() async throws {
        let tenant = try await tenant()
        try await tenant.save("breaks", "python3", "print('before')\nraise ValueError('boom')")
        try await tenant.save("caller", "php", "return ['status'=>$platform['api']->get('breaks')['status_code']];")
        let reply = try await tenant.send("GET", "/api/v2/caller")
        #expect(reply.text == #"{"status":500}"#)
        let top = try #require(reply.header("X-Scriptorium-Job"))
        #expect(try await json(tenant, "jobs/\(top)")["status"]?.string == "succeeded")
        let child = try #require(try await children(tenant, of: top).first)
        #expect(child["status"]?.string == "failed")
        #expect(child["error"]?["message"]?.string == "boom")
        #expect(child["error"]?["line"]?.integer == 2)
        let id = try #require(child["id"]?.string)
        let response = try await tenant.send("GET", "/api/v2/jobs/\(id)/response")
        #expect(response.status == 500)
        #expect(try JSONText(checking: response.body)["error"]?["context"]?["job_id"]?.string == id)
    }

    @Test func anEndlessCallOfItselfEndsAndNobodyElseSuffers() async throws {
        let tenant = try await tenant()
        let other = try await self.tenant()
        try await other.save("fine", "php", "return 1;")
        try await tenant.save(
            "endless", "python3",
            "r = platform.api.get('endless')\nreturn {'content': r.read().decode(), 'status_code': r.status}")
        async let endless = tenant.send("GET", "/api/v2/endless")
        let fine = try await other.send("GET", "/api/v2/fine")
        #expect(fine.status == 200)
        let reply = try await endless
        #expect(reply.status == 508)
        #expect(reply.text.contains("call_depth"))
        var id = try #require(reply.header("X-Scriptorium-Job"))
        var depth = 0
        while let child = try await children(tenant, of: id).first {
            #expect(child["status"]?.string == "succeeded")
            id = try #require(child["id"]?.string)
            depth += 1
        }
        #expect(depth == 8)
    }

    @Test func whatStillRunsWhenTheTimeIsOverEndsAndIsRecorded() async throws {
        let tenant = try await tenant(quotas: #"{"wall_seconds":2}"#)
        try await tenant.save("sleeps", "python3", "import time\nprint('asleep', flush=True)\ntime.sleep(60)")
        try await tenant.save("waits", "python3", "return platform.api.get('sleeps').status")
        let reply = try await tenant.send("GET", "/api/v2/waits")
        #expect(reply.status == 504)
        let top = try #require(reply.header("X-Scriptorium-Job"))
        let child = try #require(try await children(tenant, of: top).first)
        #expect(["cancelled", "failed"].contains(child["status"]?.string))
        #expect(try await lines(tenant, try #require(child["id"]?.string)) == ["asleep"])
    }

    @Test func callsSideBySideAreAllRecorded() async throws {
        let tenant = try await tenant()
        try await tenant.save("leaf", "php", "return ['n'=>$event['request']['parameters']['n']];")
        try await tenant.save(
            "fan", "nodejs",
            "return Promise.all([...Array(20).keys()].map((n) => platform.api.get('leaf?n=' + n)))"
                + ".then((all) => all.map((r) => JSON.parse(r.body).n));")
        let reply = try await tenant.send("GET", "/api/v2/fan")
        #expect(reply.status == 200, "\(reply.text)")
        let top = try #require(reply.header("X-Scriptorium-Job"))
        #expect(try await children(tenant, of: top).count == 20)
    }

    @Test func whatIsTooMuchToKeepIsCountedWithoutItsContents() async throws {
        let tenant = try await tenant()
        try await tenant.save("large", "php", "return ['a'=>str_repeat('x', 3000000)];")
        try await tenant.save(
            "caller", "python3", "for _ in range(4): platform.api.get('large').read()\nreturn 1")
        let top = try #require(try await tenant.send("GET", "/api/v2/caller").header("X-Scriptorium-Job"))
        var statuses: [Int] = []
        for child in try await children(tenant, of: top) {
            let id = try #require(child["id"]?.string)
            #expect(child["status"]?.string == "succeeded")
            let request = try await tenant.send("GET", "/api/v2/jobs/\(id)/request").status
            let response = try await tenant.send("GET", "/api/v2/jobs/\(id)/response").status
            #expect(request == response)
            statuses.append(response)
        }
        #expect(statuses.sorted() == [200, 200, 410, 410])
    }

    @Test func usageCountsTheChildren() async throws {
        let tenant = try await tenant()
        try await tenant.save("leaf", "php", "return 1;")
        try await tenant.save(
            "caller", "python3", "for _ in range(3): platform.api.get('leaf')\nreturn 1")
        let before = try await usage(tenant)
        #expect(try await tenant.send("GET", "/api/v2/caller").status == 200)
        let after = try await usage(tenant)
        #expect(after["leaf", default: 0] - before["leaf", default: 0] == 3)
        #expect(after["caller", default: 0] - before["caller", default: 0] == 1)
    }

    /// How many jobs a tenant's services have had.
    private func usage(_ tenant: TestTenant) async throws -> [String: Int] {
        let reply = try await tenant.installation.http.send(
            HTTPCall(
                url: "\(tenant.installation.ingresses[0])/operator/tenants/\(tenant.name)/usage",
                headers: [(name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)")]))
        try #require(reply.status == 200, "\(reply.text)")
        var jobs: [String: Int] = [:]
        for row in try JSONText(checking: reply.body)["resource"]?.elements ?? [] {
            jobs[row["service"]?.string ?? "", default: 0] += row["jobs"]?.integer ?? 0
        }
        return jobs
    }
}
