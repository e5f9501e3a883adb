import Core
import Outbound
import TestSupport
import Testing

/// Whose turn it is, as callers see it.
@Suite struct TurnTests {
    private func later(_ tenant: TestTenant, _ path: String, priority: Int? = nil) async throws -> String {
        let headers =
            [(name: "Prefer", value: "respond-async")]
            + (priority.map { [(name: "X-Scriptorium-Priority", value: "\($0)")] } ?? [])
        let reply = try await tenant.send("POST", path, "{}", headers: headers)
        #expect(reply.status == 202, "\(reply.text)")
        return try #require(reply.header("Location"))
    }

    private func job(_ tenant: TestTenant, _ path: String) async throws -> JSONText {
        try JSONText(checking: try await tenant.send("GET", path).body)
    }

    @Test func aTenantAtItsCapIsToldAndServedByPriority() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"max_concurrent":1}"#)
        try await tenant.save("slow", "python3", "import time\ntime.sleep(50)")
        try await tenant.save("quick", "python3", "return 1")
        let first = try await later(tenant, "/api/v2/slow")
        try await eventually("the first one runs") { try await job(tenant, first)["status"]?.string == "running" }
        let low = try await later(tenant, "/api/v2/quick", priority: -60)
        let high = try await later(tenant, "/api/v2/quick", priority: 60)
        let waiting = try await job(tenant, low)
        #expect(waiting["priority"]?.integer == -60)
        let reason = waiting["wait_reason"]
        #expect(reason?["policy"]?.string == "max_concurrent", "\(waiting.text)")
        #expect(reason?["limit"]?.integer == 1 && reason?["in_use"]?.integer == 1 && reason?["position"]?.integer == 1)
        #expect(try await tenant.send("DELETE", first).status == 200)
        var started: [String] = []
        for path in [high, low] {
            try await eventually("\(path) ends") { try await job(tenant, path)["status"]?.string == "succeeded" }
            started.append(try #require(try await job(tenant, path)["started_at"]?.string))
        }
        #expect(started[0] < started[1])
        #expect(try await job(tenant, low)["wait_reason"]?.isNull == true)
    }

    @Test func aServiceAtItsCapHoldsUpNoOther() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("one", "python3", "import time\ntime.sleep(50)", config: #","max_concurrent":1"#)
        try await tenant.save("other", "python3", "return 1")
        let first = try await later(tenant, "/api/v2/one")
        try await eventually("the first one runs") { try await job(tenant, first)["status"]?.string == "running" }
        let second = try await later(tenant, "/api/v2/one")
        #expect(try await tenant.send("GET", "/api/v2/other").status == 200)
        let reason = try await job(tenant, second)["wait_reason"]
        #expect(reason?["policy"]?.string == "max_concurrent" && reason?["limit"]?.integer == 1)
        #expect(reason?["message"]?.string?.contains("of its service") == true)
        #expect(try await tenant.send("DELETE", first).status == 200)
        try await eventually("the second one runs") { try await job(tenant, second)["status"]?.string == "running" }
        #expect(try await tenant.send("DELETE", second).status == 200)
    }

    @Test(arguments: ["101", "high", "1.5", ""]) func aPriorityIsAWholeNumber(text: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("quick", "python3", "return 1")
        let reply = try await tenant.send(
            "POST", "/api/v2/quick", "{}", headers: [(name: "X-Scriptorium-Priority", value: text)])
        #expect(reply.status == 400)
        #expect(reply.text.contains("from -100 to 100"), "\(reply.text)")
    }
}
