import Core
import Outbound
import TestSupport
import Testing

/// What a job says of what its attempt has used.
@Suite struct UsageTests {
    private func job(_ tenant: TestTenant, _ reply: HTTPReply) async throws -> JSONText {
        let id = try #require(reply.header("X-Scriptorium-Job"), "\(reply.text)")
        return try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(id)?wait=30").body)
    }

    private func usage(_ job: JSONText, _ key: String) throws -> Int {
        try #require(job["usage"]?[key]?.integer, "\(key): \(job)")
    }

    @Test(arguments: [
        (
            "nodejs",
            "const t = process.cpuUsage().user; while (process.cpuUsage().user - t < 1e5) {} console.log('12345');"
                + " return platform.api.post('leaf', 'y'.repeat(3000)).then(() => 'z'.repeat(5000));"
        ),
        (
            "php",
            "$now = fn () => getrusage()['ru_utime.tv_sec'] * 1e6 + getrusage()['ru_utime.tv_usec'];"
                + " $t = $now(); while ($now() - $t < 1e5); echo \"12345\\n\";"
                + " $platform['api']->post('leaf', str_repeat('y', 3000)); return str_repeat('z', 5000);"
        ),
        (
            "python3",
            "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.1: pass\nprint('12345')\n"
                + "platform.api.post('leaf', 'y' * 3000)\nreturn 'z' * 5000"
        ),
    ])
    func aJobTellsWhatItHasUsed(language: String, script: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("leaf", "php", "echo 'leaf'; return 'w';")
        try await tenant.save("uses", language, script)
        let reply = try await tenant.send("POST", "/api/v2/uses", "\"\(String(repeating: "x", count: 4000))\"")
        #expect(reply.status == 200, "\(reply.text)")
        let record = try await job(tenant, reply)
        #expect(try usage(record, "user_cpu_ms") > 0)
        let cpu = try usage(record, "user_cpu_ms") + usage(record, "system_cpu_ms")
        // The processor's clock has its ticks.
        #expect(cpu >= 80)
        #expect((cpu...cpu + 1).contains(try #require(record["cpu_ms"]?.integer)), "\(record)")
        #expect(try usage(record, "wall_ms") >= 80)
        #expect(try usage(record, "wall_ms") + usage(record, "waited_ms") <= #require(record["run_ms"]?.integer) + 2)
        #expect(try usage(record, "waited_ms") >= 0)
        #expect(try usage(record, "peak_memory_bytes") == record["peak_memory_bytes"]?.integer)
        #expect(try usage(record, "peak_memory_bytes") > 1 << 18)
        #expect(try usage(record, "api_calls") == 1)
        #expect(try (4000...40_000).contains(usage(record, "bytes_in")), "\(record)")
        #expect(try (8000...20_000).contains(usage(record, "bytes_out")), "\(record)")
        #expect(try usage(record, "log_bytes") == 5)
        // What it has called tells for itself.
        let id = try #require(record["id"]?.string)
        let children = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs?parent_id=\(id)").body)
        let leaf = try #require(children["resource"]?.elements.first)
        #expect(try usage(leaf, "log_bytes") == 4)
        #expect(try usage(leaf, "api_calls") == 0)
        #expect(try usage(leaf, "bytes_in") > 3000)
    }

    @Test func aJobThatHasNotBegunHasNoUsage() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("later", "php", "return 1;")
        let reply = try await tenant.send(
            "GET", "/api/v2/later?delay=3600", headers: [(name: "Prefer", value: "respond-async")])
        let id = try #require(reply.header("X-Scriptorium-Job"))
        let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(id)").body)
        #expect(record["usage"]?.isNull == true)
        let cancelled = try JSONText(checking: try await tenant.send("DELETE", "/api/v2/jobs/\(id)").body)
        #expect(cancelled["status"]?.string == "cancelled")
        #expect(cancelled["usage"]?.isNull == true)
        let attempts = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(id)/attempts").body)
        #expect(attempts["resource"]?.elements.isEmpty == true)
    }

    @Test func whatALimitEndedHasUsedIsKnown() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save(
            "endless", "python3", "print('a', flush=True)\nwhile True: pass", config: #","wall_seconds":1"#)
        let record = try await job(tenant, try await tenant.send("GET", "/api/v2/endless"))
        #expect(record["error"]?["limit"]?.string == "wall_seconds")
        #expect(try usage(record, "wall_ms") >= 1000)
        #expect(try usage(record, "user_cpu_ms") > 0)
        #expect(try usage(record, "log_bytes") == 1)
    }

    @Test func eachAttemptHasItsOwn() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save(
            "flaky", "python3",
            "for _ in range(event.job.attempt): platform.store.get('x')\nprint('y')\n"
                + "if event.job.attempt == 1: raise ValueError('again')\nreturn 1",
            config: #","retry_on_error":true"#)
        let accepted = try await tenant.send(
            "GET", "/api/v2/flaky", headers: [(name: "Prefer", value: "respond-async")])
        let record = try await job(tenant, accepted)
        #expect(record["status"]?.string == "succeeded", "\(record)")
        let id = try #require(record["id"]?.string)
        let reply = try await tenant.send("GET", "/api/v2/jobs/\(id)/attempts")
        let attempts = try #require(try JSONText(checking: reply.body)["resource"]?.elements)
        #expect(attempts.map { $0["attempt"]?.integer } == [1, 2])
        #expect(attempts.map { $0["status"]?.string } == ["failed", "succeeded"])
        #expect(try attempts.map { try usage($0, "api_calls") } == [1, 2])
        #expect(try attempts.map { try usage($0, "log_bytes") }.allSatisfy { $0 >= 1 })
        #expect(attempts.last?["usage"] == record["usage"])
        #expect(try await tenant.send("POST", "/api/v2/jobs/\(id)/attempts", "{}").status == 405)
        let stranger = try await TestInstallation.shared().tenant()
        #expect(try await stranger.send("GET", "/api/v2/jobs/\(id)/attempts").status == 404)
    }

    /// Who cancels has used what was used.
    @Test func whatACancelledJobHasUsedIsNoted() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save(
            "endless", "python3",
            "import time\nwhile time.process_time() < 0.2: pass\nprint('burnt', flush=True)\ntime.sleep(600)")
        let accepted = try await tenant.send(
            "GET", "/api/v2/endless", headers: [(name: "Prefer", value: "respond-async")])
        let id = try #require(accepted.header("X-Scriptorium-Job"))
        try await eventually("it has used something", within: .seconds(30)) {
            try await tenant.send("GET", "/api/v2/jobs/\(id)/logs").text.contains("burnt")
        }
        #expect(try await tenant.send("DELETE", "/api/v2/jobs/\(id)").status == 200)
        try await eventually("what it has used is noted", within: .seconds(30)) {
            let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(id)").body)
            guard record["status"]?.string == "cancelled" else { return false }
            return try usage(record, "user_cpu_ms") + usage(record, "system_cpu_ms") >= 150
        }
    }
}
