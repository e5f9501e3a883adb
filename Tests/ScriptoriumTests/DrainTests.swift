import Core
import Database
import Glibc
import Logging
import Outbound
import TestSupport
import Testing

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// What a SIGTERM does to jobs under way.
@Suite struct DrainTests {
    /// An installation of the test's own: an ingress and as many workers as are started.
    private struct House {
        let environment: [String: String]
        let ingress: TestProgram
        let url: String
        let key: String
        let http = HTTPClient()

        init(script: String) async throws {
            environment = [
                "SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(migrations: Migration.embedded),
                "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(), "SCRIPTORIUM_PORT": "0",
                "SCRIPTORIUM_OPERATOR_TOKEN": TestInstallation.operatorToken, "SCRIPTORIUM_WORKER_CONCURRENCY": "2",
            ]
            ingress = try await TestProgram(["ingress"], environment: environment)
            url = try await ingress.line(after: "ready ")
            let json = (name: "Content-Type", value: "application/json")
            let made = try await http.send(
                HTTPCall(
                    method: "POST", url: url + "/operator/tenants",
                    headers: [json, (name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)")],
                    body: Array(#"{"name":"acme"}"#.utf8)))
            let tenant = try JSONText(checking: made.body)
            key = try #require(tenant["api_key"]?.string, "\(made.text)")
            let login = try await http.send(
                HTTPCall(
                    method: "POST", url: url + "/api/v2/user/session",
                    headers: [json, (name: "X-API-Key", value: key)],
                    body: Array((tenant["admin"]?.text ?? "").utf8)))
            let token = try #require(try JSONText(checking: login.body)["session_token"]?.string, "\(login.text)")
            let saved = try await http.send(
                HTTPCall(
                    method: "POST", url: url + "/api/v2/system/service",
                    headers: [json, (name: "X-DreamFactory-Session-Token", value: token)],
                    body: Array(
                        #"{"name":"slow","type":"python3","config":{"content":\#(JSONText.quoted(script))}}"#.utf8)))
            try #require(saved.status == 201, "\(saved.text)")
        }

        func worker(grace: String = "30") async throws -> TestProgram {
            let worker = try await TestProgram(
                ["worker"], environment: environment.merging(["SCRIPTORIUM_SHUTDOWN_GRACE_SECONDS": grace]) { $1 })
            _ = try await worker.line(after: "ready ")
            return worker
        }

        func get(_ path: String, prefer: String = "wait=60") async throws -> HTTPReply {
            try await http.send(
                HTTPCall(
                    url: url + path,
                    headers: [
                        (name: "X-API-Key", value: key), (name: "Prefer", value: prefer),
                        (name: "Accept", value: "application/json"),
                    ]))
        }

        func job(_ path: String) async throws -> JSONText { try JSONText(checking: try await get(path).body) }
    }

    @Test func whatRunsGetsItsTimeToEnd() async throws {
        let house = try await House(script: "import time\ntime.sleep(2)\nreturn 'done'")
        let worker = try await house.worker()
        let accepted = try await house.get("/api/v2/slow", prefer: "respond-async")
        let path = try #require(accepted.header("Location"))
        try await eventually("it runs") { try await house.job(path)["status"]?.string == "running" }
        worker.signal(SIGTERM)
        #expect(try await worker.end() == 0, "\(worker.text)")
        #expect(try await house.get(path + "/response").text == "\"done\"")
        house.ingress.signal(SIGTERM)
        #expect(try await house.ingress.end() == 0)
    }

    @Test func whatIsLeftIsHandedBackAndCostsNoAttempt() async throws {
        let house = try await House(
            script: "import time\nprint('begun', flush=True)\ntime.sleep(3)\nreturn event.job.attempt")
        let first = try await house.worker(grace: "0")
        let accepted = try await house.get("/api/v2/slow", prefer: "respond-async")
        let path = try #require(accepted.header("Location"))
        try await eventually("it runs") { try await house.get(path + "/logs").text.contains("begun") }
        first.signal(SIGTERM)
        #expect(try await first.end() == 0, "\(first.text)")
        #expect(try await house.job(path)["status"]?.string == "queued")
        let second = try await house.worker()
        #expect(try await house.get(path + "/response?wait=60").text == "1")
        // Both runs' lines are there.
        let logs = try await house.job(path + "/logs")
        #expect(logs["resource"]?.elements.map { $0["text"]?.string } == ["begun", "begun"])
        #expect(logs["resource"]?.elements.map { $0["seq"]?.integer } == [1, 2])
        second.signal(SIGTERM)
        #expect(try await second.end() == 0)
    }

    @Test func aKilledWorkersWaitingCallerIsTold() async throws {
        let house = try await House(script: "import time\ntime.sleep(60)\nreturn 1")
        let worker = try await house.worker()
        let call = Task { try await house.get("/api/v2/slow") }
        let database = Database(
            DatabaseOptions(url: house.environment["SCRIPTORIUM_DATABASE_URL"] ?? "", connections: 1), logger: quiet)
        let runs = Statement("test_runs", "select count(*) from run")
        try await eventually("it runs") {
            try await database.system.read { try $0.query(runs).first?.decode(Int64.self) } == 1
        }
        worker.signal(SIGKILL)
        let reply = try await call.value
        #expect(reply.status == 503, "\(reply.text)")
        #expect(reply.header("Retry-After") != nil)
        #expect(reply.text.contains("worker"))
        await database.close()
        house.ingress.signal(SIGTERM)
        #expect(try await house.ingress.end() == 0)
    }
}
