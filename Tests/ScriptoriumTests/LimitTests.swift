import Core
import Outbound
import TestSupport
import Testing

/// What happens when a limit of an attempt fires (contract.md §8): the caller's status and message, and the job's `error.limit`.
@Suite struct LimitTests {
    /// A service whose script meets a limit.
    struct Row: Sendable, CustomTestStringConvertible {
        /// The quota's key; nil where the job does not fail.
        var limit: String?
        var language = "python3"
        var script: String
        /// Keys of the service's config.
        var config = ""
        var quotas = "{}"
        var isAsynchronous = false
        /// The least tier of the sandbox in which a script can do that at all.
        var tier = SandboxTier.none
        var status: Int
        /// What the body says.
        var part: String

        var testDescription: String { "\(limit ?? "none") \(language) \(config)\(quotas) \(script.prefix(40))" }
    }

    private static let burn = "import time\nwhile time.process_time() < 0.4: pass\n"
    private static let threads = """
        import threading, time
        threading.stack_size(65536)
        while True: threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        """
    /// What a harness reports whose interpreter has run out of memory.
    private static let outOfMemory = """
        import os, struct
        result = b'{"error":{"kind":"memory","message":"Allowed memory size exhausted","line":1}}'
        os.write(3, struct.pack('<IB', len(result), 4) + result)
        while True: pass
        """

    static let rows = [
        Row(
            limit: "wall_seconds", script: "while True: pass", config: #""wall_seconds":0.5"#, status: 504,
            part: "0.5 s"),
        Row(
            limit: "wall_seconds", language: "nodejs", script: "while (true) {}", quotas: #"{"wall_seconds":0.5}"#,
            status: 504, part: "0.5 s"),
        Row(
            limit: "async_wall_seconds", script: "while True: pass", quotas: #"{"async_wall_seconds":0.5}"#,
            isAsynchronous: true, status: 504, part: "0.5 s"),
        Row(
            limit: "wall_seconds", script: "while True: pass", config: #""wall_seconds":0.5"#, isAsynchronous: true,
            status: 504, part: "0.5 s"),
        Row(limit: "cpu_seconds", script: burn + "return 1", config: #""cpu_seconds":0.1"#, status: 500, part: "0.1 s"),
        Row(
            limit: "cpu_seconds", language: "nodejs",
            script: "while (process.cpuUsage().user < 4e5) {} return 1;", quotas: #"{"cpu_seconds":0.2}"#, status: 500,
            part: "0.2 s"),
        Row(
            limit: "cpu_seconds", language: "php",
            script: "while (getrusage()['ru_utime.tv_usec'] + getrusage()['ru_utime.tv_sec'] * 1e6 < 4e5); return 1;",
            config: #""cpu_seconds":0.2"#, status: 500, part: "0.2 s"),
        Row(
            limit: "memory_bytes", script: outOfMemory, config: #""memory_bytes":134217728"#, status: 500,
            part: "128 MiB"),
        Row(
            limit: "max_processes", script: threads, config: #""max_processes":8"#, status: 500,
            part: "8 (max_processes)"),
        Row(
            limit: "max_processes", script: "import os\nwhile True: os.fork()", quotas: #"{"max_processes":8}"#,
            tier: .b, status: 500, part: "8 (max_processes)"),
        Row(
            limit: "max_processes", language: "php",
            script: "while (true) if (pcntl_fork() < 0) throw new Exception('no more');", config: #""max_processes":8"#,
            tier: .b, status: 500, part: "8 (max_processes)"),
        Row(
            limit: "tmp_bytes", script: "with open('/tmp/x', 'wb') as file: file.write(bytes(3 << 20))",
            config: #""tmp_bytes":1048576"#, tier: .b, status: 500, part: "1 MiB (tmp_bytes)"),
        Row(
            limit: "tmp_bytes", language: "nodejs",
            script: "require('fs').writeFileSync('/tmp/x', Buffer.alloc(3 << 20));", quotas: #"{"tmp_bytes":1048576}"#,
            isAsynchronous: true, tier: .b, status: 500, part: "1 MiB (tmp_bytes)"),
        Row(
            limit: "response_bytes", script: "return 'x' * 2000", config: #""response_bytes":1000"#, status: 500,
            part: "1000 bytes"),
        // So much that its process may not even send it.
        Row(
            limit: "response_bytes", language: "php", script: "return str_repeat('x', 300000);",
            config: #""response_bytes":102400"#, status: 500, part: "100 KiB"),
        Row(
            script: "return [platform.api.get('leaf').status for _ in range(3)]", config: #""api_calls":2"#,
            status: 200,
            part: "[200,200,429]"),
        // A script that passes the refusal on fails for it.
        Row(
            limit: "api_calls", language: "php",
            script: "return $platform['api']->get('leaf')['content'];", config: #""api_calls":0"#, status: 500,
            part: "platform.api"),
        Row(
            script: "return platform.api.get('middle').read().decode()", quotas: #"{"call_depth":1}"#, status: 200,
            part: "508"),
        Row(
            limit: "call_depth", script: "import json\nreturn json.loads(platform.api.get('leaf').read())",
            quotas: #"{"call_depth":0}"#, status: 500, part: "call_depth"),
        Row(
            limit: "wall_seconds", language: "php",
            script: "return $platform['api']->get('endless')['content'];", status: 500, part: "0.4 s"),
        Row(script: "print('x' * 5000)\nreturn 1", config: #""log_bytes":200"#, status: 200, part: "1"),
    ]

    @Test(arguments: rows)
    func theLimitIsNamed(row: Row) async throws {
        let tier = try await HostSandbox.tier()
        if tier < row.tier { try Test.cancel("no script has files or children in tier \(tier.rawValue)") }
        let tenant = try await TestInstallation.shared().tenant(quotas: row.quotas)
        try await tenant.save("leaf", "python3", "return 1")
        try await tenant.save("middle", "python3", "return platform.api.get('leaf').status")
        try await tenant.save("endless", "python3", "while True: pass", config: #","wall_seconds":0.4"#)
        try await tenant.save(
            "subject", row.language, row.script, config: row.config.isEmpty ? "" : ",\(row.config)")
        let (reply, job) = try await call(tenant, isAsynchronous: row.isAsynchronous)
        #expect(reply.status == row.status, "\(reply.text)")
        #expect(reply.text.replacing(" ", with: "").contains(row.part.replacing(" ", with: "")), "\(reply.text)")
        let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)?wait=10").body)
        #expect(record["status"]?.string == (row.limit == nil ? "succeeded" : "failed"))
        #expect(record["error"]?["limit"]?.string == row.limit, "\(record)")
        guard let limit = row.limit else { return }
        let error = try JSONText(checking: reply.body)["error"]
        #expect(error?["context"]?["limit"]?.string == limit, "\(reply.text)")
        #expect(error?["code"]?.integer == row.status)
        #expect(record["error"]?["message"]?.string == error?["message"]?.string)
    }

    private func call(_ tenant: TestTenant, isAsynchronous: Bool) async throws -> (HTTPReply, String) {
        guard isAsynchronous else {
            let reply = try await tenant.send("GET", "/api/v2/subject")
            return (reply, try #require(reply.header("X-Scriptorium-Job"), "\(reply.text)"))
        }
        let accepted = try await tenant.send(
            "GET", "/api/v2/subject", headers: [(name: "Prefer", value: "respond-async")])
        let job = try #require(accepted.header("X-Scriptorium-Job"), "\(accepted.text)")
        return (try await tenant.send("GET", "/api/v2/jobs/\(job)/response?wait=30"), job)
    }

    @Test func aLogThatIsCutSaysSo() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save(
            "chatty", "python3", "for i in range(50): print('x' * 20)\nreturn 1", config: #","log_bytes":400"#)
        let reply = try await tenant.send("GET", "/api/v2/chatty")
        #expect(reply.status == 200)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let lines = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)/logs").body)["resource"]
        let last = try #require(lines?.elements.last)
        #expect(last["stream"]?.string == "system")
        #expect(last["text"]?.string?.contains("log_bytes") == true, "\(last)")
        #expect(try #require(lines).elements.count < 20)
    }

    /// The processor time of an attempt is one amount, for its scripts and for those that they call.
    @Test func calledScriptsUseTheSameProcessorTime() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"cpu_seconds":0.6}"#)
        try await tenant.save("burns", "python3", Self.burn + "return 1")
        try await tenant.save(
            "caller", "python3",
            "import json\nreturn [json.loads(platform.api.get('burns').read()) for _ in range(3)]")
        try await tenant.save("passes", "nodejs", "return platform.api.get('burns').then(() => 1);")
        // One is well within it, three are not.
        #expect(try await tenant.send("GET", "/api/v2/passes").status == 200)
        let reply = try await tenant.send("GET", "/api/v2/caller")
        #expect(reply.status == 500)
        #expect(reply.text.contains("0.6 s (cpu_seconds)"), "\(reply.text)")
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let children = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs?parent_id=\(job)").body)
        let limits = try #require(children["resource"]).elements.map { $0["error"]?["limit"]?.string }
        #expect(limits.contains("cpu_seconds") && limits.contains(nil), "\(children)")
    }

    /// And for those of its events. A limit that fires in one of them is the job's.
    @Test func eventScriptsUseTheSameProcessorTime() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("burns", "python3", Self.burn + "return 1", config: #","cpu_seconds":0.6"#)
        #expect(try await tenant.send("GET", "/api/v2/burns", ingress: 0).status == 200)
        try await tenant.bind("burns.get.pre_process", "python3", Self.burn)
        let reply = try await tenant.send("GET", "/api/v2/burns", ingress: 0)
        #expect(reply.status == 500)
        #expect(reply.text.contains("0.6 s (cpu_seconds)"), "\(reply.text)")
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let record = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)").body)
        #expect(record["error"]?["limit"]?.string == "cpu_seconds")
        // Each script's own use is in the job's.
        let used = try #require(record["usage"])
        #expect((used["user_cpu_ms"]?.integer ?? 0) + (used["system_cpu_ms"]?.integer ?? 0) >= 600, "\(record)")
    }

    @Test func aServiceThatAsksForMoreThanItsTenantHasGetsWhatTheTenantHas() async throws {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"wall_seconds":0.5}"#)
        try await tenant.save(
            "greedy", "python3", "while True: pass", config: #","wall_seconds":500,"memory_bytes":1e9"#)
        #expect(try await tenant.send("GET", "/api/v2/greedy").text.contains("0.5 s (wall_seconds)"))
        let refused = try await tenant.administer(
            "POST", "service",
            #"{"name":"wrong","type":"php","config":{"content":"return 1;","memory_bytes":"lots"}}"#)
        #expect(refused.status == 400)
        #expect(refused.text.contains("'config.memory_bytes' must be a whole number from 16777216"), "\(refused.text)")
    }
}
