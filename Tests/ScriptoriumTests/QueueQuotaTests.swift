import Core
import Database
import Outbound
import TestSupport
import Testing

/// Quotas that say whether a job is accepted (contract.md §8).
@Suite struct QueueQuotaTests {
    private static let later = [(name: "Prefer", value: "respond-async")]

    /// Checks a 429 that names a quota, and that no job was made.
    private func check(
        _ reply: HTTPReply, _ key: String, limit: Double, inUse: Double?, wait: ClosedRange<Int>,
        location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(reply.status == 429, "\(reply.text)", sourceLocation: location)
        let error = try #require(try JSONText(checking: reply.body)["error"], sourceLocation: location)
        let seconds = try #require(reply.header("Retry-After").flatMap { Int($0) }, sourceLocation: location)
        #expect(wait.contains(seconds), sourceLocation: location)
        #expect(error["context"]?["limit"]?.string == key, sourceLocation: location)
        #expect(error["context"]?["limits"]?[key]?.double == limit, sourceLocation: location)
        if let inUse { #expect(error["context"]?["limits"]?["in_use"]?.double == inUse, sourceLocation: location) }
        #expect(error["message"]?.string?.contains("(\(key))") == true, "\(reply.text)", sourceLocation: location)
        #expect(reply.header("X-Scriptorium-Job") == nil && reply.header("Location") == nil, sourceLocation: location)
        #expect(reply.header("RateLimit") != nil, sourceLocation: location)
    }

    private func jobs(_ tenant: TestTenant) async throws -> [JSONText] {
        let reply = try await tenant.send("GET", "/api/v2/jobs?limit=100")
        return try JSONText(checking: reply.body)["resource"]?.elements ?? []
    }

    @Test func aFullQueueTakesNoMore() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"max_queued":3}"#)
        try await tenant.save("echo", "python3", "return 1")
        let done = try #require(try await tenant.send("GET", "/api/v2/echo").header("X-Scriptorium-Job"))
        var accepted: [String] = []
        for number in 0..<3 {
            let reply = try await tenant.send(
                "GET", "/api/v2/echo?delay=3600", headers: Self.later, ingress: number % 2)
            #expect(reply.status == 202, "\(reply.text)")
            accepted.append(try #require(reply.header("Location")))
        }
        let key = [(name: "Idempotency-Key", value: "again")]
        for ingress in 0...1 {
            for (method, path, headers) in [
                ("GET", "/api/v2/echo", Self.later + key), ("GET", "/api/v2/echo", key),
                ("POST", "/api/v2/jobs/\(done)/retry", []),
            ] {
                let reply = try await tenant.send(method, path, headers: headers, ingress: ingress)
                try check(reply, "max_queued", limit: 3, inUse: 3, wait: 2...6)
            }
        }
        #expect(try await jobs(tenant).count == 4)
        // Room is room again, and a key whose call was refused was not used.
        #expect(try await tenant.send("DELETE", accepted[0]).status == 200)
        #expect(try await tenant.send("GET", "/api/v2/echo", headers: key).status == 200)
    }

    /// A script that calls a queued service gets the refusal as its answer.
    @Test func aScriptIsRefusedToo() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"max_queued":1}"#)
        try await tenant.save("later", "python3", "return 1", config: #","queued":true,"config":{"delay":3600}"#)
        try await tenant.save(
            "caller", "python3",
            "import json\nreplies = [platform.api.get('later') for _ in range(2)]\n"
                + "return [[r.status, json.loads(r.read()).get('error', {}).get('context')] for r in replies]")
        let reply = try await tenant.send("GET", "/api/v2/caller")
        let answers = try JSONText(checking: reply.body).elements
        try #require(answers.count == 2, "\(reply.text)")
        #expect(answers[0].elements.first?.integer == 202, "\(reply.text)")
        #expect(answers[1].elements.first?.integer == 429)
        #expect(answers[1].elements.last?["limit"]?.string == "max_queued")
    }

    /// The queued script of an event that finds no room says so in the log of what it follows.
    @Test func aQueuedEventIsRefusedInTheLog() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"jobs_per_day":1}"#)
        try await tenant.save("echo", "python3", "return 1")
        try await tenant.bind("echo.get.queued", "python3", "return 2")
        let reply = try await tenant.send("GET", "/api/v2/echo", ingress: 0)
        #expect(reply.status == 200, "\(reply.text)")
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let logs = try await tenant.send("GET", "/api/v2/jobs/\(job)/logs")
        #expect(logs.text.contains("has no job: ") && logs.text.contains("(jobs_per_day)"), "\(logs.text)")
        #expect(try await jobs(tenant).count == 1)
    }

    @Test func aDayHasSoManyJobsOverAllIngresses() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"jobs_per_day":5}"#)
        try await tenant.save("echo", "python3", "return 1")
        let replies = try await withThrowingTaskGroup(of: HTTPReply.self) { group in
            for number in 0..<20 {
                group.addTask { try await tenant.send("GET", "/api/v2/echo", headers: Self.later, ingress: number % 2) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(replies.filter { $0.status == 202 }.count == 5)
        for reply in replies where reply.status != 202 {
            try check(reply, "jobs_per_day", limit: 5, inUse: nil, wait: 1...86_400)
        }
        #expect(try await jobs(tenant).count == 5)
        // Calls that are no jobs go on.
        #expect(try await tenant.send("GET", "/api/v2/jobs").status == 200)
    }

    @Test func aDayHasSoMuchProcessorTime() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"cpu_seconds_per_day":0.2}"#)
        try await tenant.save("burns", "python3", "import time\nwhile time.process_time() < 0.4: pass\nreturn 1")
        #expect(try await tenant.send("GET", "/api/v2/burns").status == 200)
        for ingress in 0...1 {
            let reply = try await tenant.send("GET", "/api/v2/burns", ingress: ingress)
            try check(reply, "cpu_seconds_per_day", limit: 0.2, inUse: nil, wait: 1...86_400)
        }
    }

    /// Attempts that are tried again count as well.
    @Test func aDaysProcessorTimeIsThatOfAllAttempts() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"cpu_seconds_per_day":0.2}"#)
        try await tenant.save("idle", "python3", "return 1")
        try await tenant.save(
            "burns", "python3", "import time\nwhile time.process_time() < 0.4: pass\nraise Exception('again')",
            config: #","max_attempts":100,"retry_on_error":true"#)
        let accepted = try await tenant.send(
            "POST", "/api/v2/burns", headers: [(name: "Prefer", value: "respond-async")])
        let path = "/api/v2/jobs/" + (try #require(try JSONText(checking: accepted.body)["id"]?.string))
        try await eventually("it is tried again") {
            try JSONText(checking: try await tenant.send("GET", path).body)["attempt"]?.integer ?? 0 > 1
        }
        let reply = try await tenant.send("GET", "/api/v2/idle")
        try check(reply, "cpu_seconds_per_day", limit: 0.2, inUse: nil, wait: 1...86_400)
        #expect(try await tenant.send("DELETE", path).status == 200)
    }

    @Test func whatIsQueuedForASuspendedTenantWaits() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"max_concurrent":1}"#)
        try await tenant.save("slow", "python3", "import time\ntime.sleep(2)\nreturn 1")
        try await tenant.save("clock", "python3", "import time\nreturn int(time.time() * 1000)")
        func operate(_ method: String, _ path: String, _ body: String) async throws -> JSONText {
            let reply = try await tenant.installation.http.send(
                HTTPCall(
                    method: method, url: tenant.installation.ingresses[0] + "/operator/tenants/\(tenant.name)" + path,
                    headers: [
                        (name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)"),
                        (name: "Content-Type", value: "application/json"),
                    ], body: Array(body.utf8)))
            #expect(reply.status == 200, "\(reply.text)")
            return try JSONText(checking: reply.body)
        }
        for name in ["slow", "clock"] {
            #expect(try await tenant.send("GET", "/api/v2/\(name)", headers: Self.later, ingress: 0).status == 202)
        }
        try await eventually("the first runs") {
            try await jobs(tenant).contains { $0["service"]?.string == "slow" && $0["status"]?.string == "running" }
        }
        _ = try await operate("PATCH", "", #"{"suspended":true}"#)
        // What runs runs to its end.
        try await eventually("the first has ended") {
            try await operate("GET", "/usage", "")["resource"]?.elements.isEmpty == false
        }
        let resumed = Timestamp.now.microseconds / 1000
        _ = try await operate("PATCH", "", #"{"suspended":false}"#)
        try await eventually("the ingress knows", within: .seconds(5)) {
            try await tenant.send("GET", "/api/v2/jobs", ingress: 0).status == 200
        }
        let job = try #require(try await jobs(tenant).first { $0["service"]?.string == "clock" }?["id"]?.string)
        let began = try await tenant.send("GET", "/api/v2/jobs/\(job)/response?wait=30")
        #expect(try #require(Int64(began.text)) >= resumed, "\(began.text)")
    }
}
