import Core
import Database
import Outbound
import TestSupport
import Testing

/// Metrics, logs and traces of real processes.
@Suite struct ObservabilityTests {
    /// An ingress and a worker on a database of their own, with an administration port each and logs for machines.
    private struct House: Sendable {
        let ingress: TestProgram
        let worker: TestProgram
        let url: String
        let ingressAdmin: String
        let workerAdmin: String
        let databaseURL: String
        let key: String
        let http = HTTPClient()

        static let shared = Task { try await House() }

        private init() async throws {
            databaseURL = try await TestPostgres.database(migrations: Migration.embedded)
            let environment = [
                "SCRIPTORIUM_DATABASE_URL": databaseURL,
                "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(), "SCRIPTORIUM_PORT": "0",
                "SCRIPTORIUM_OPERATOR_TOKEN": TestInstallation.operatorToken, "SCRIPTORIUM_WORKER_CONCURRENCY": "4",
                "SCRIPTORIUM_ADMIN_PORT": "0", "SCRIPTORIUM_LOG_FORMAT": "json", "SCRIPTORIUM_LOG_LEVEL": "debug",
                "SCRIPTORIUM_DATABASE_CONNECTIONS": "2",
            ]
            ingress = try await TestProgram(["ingress"], environment: environment)
            worker = try await TestProgram(["worker"], environment: environment)
            url = try await ingress.line(after: "ready ")
            ingressAdmin = try await ingress.line(after: "admin ")
            workerAdmin = try await worker.line(after: "admin ")
            _ = try await worker.line(after: "ready ")
            let json = (name: "Content-Type", value: "application/json")
            let made = try await http.send(
                HTTPCall(
                    method: "POST", url: ingressAdmin + "/operator/tenants", headers: [json, Self.authorization],
                    body: Array(#"{"name":"acme"}"#.utf8)))
            let tenant = try JSONText(checking: made.body)
            key = try #require(tenant["api_key"]?.string, "\(made.text)")
            let login = try await http.send(
                HTTPCall(
                    method: "POST", url: url + "/api/v2/user/session",
                    headers: [json, (name: "X-API-Key", value: key)],
                    body: Array((tenant["admin"]?.text ?? "").utf8)))
            let token = try #require(try JSONText(checking: login.body)["session_token"]?.string, "\(login.text)")
            for (name, script) in [
                ("inner", "return 1"), ("outer", "return platform.api.get('inner').read().decode()"),
                ("wrong", "return platform.api.get('nowhere').read().decode()"),
                (
                    "limited",
                    "for _ in range(5): platform.api.get('nowhere')\\nprint('x' * 500, flush=True)\\nwhile True: pass"
                ),
            ] {
                let limits = name == "limited" ? #","wall_seconds":3,"api_calls":2,"log_bytes":100"# : ""
                let saved = try await http.send(
                    HTTPCall(
                        method: "POST", url: url + "/api/v2/system/service",
                        headers: [json, (name: "X-DreamFactory-Session-Token", value: token)],
                        body: Array(
                            #"{"name":"\#(name)","type":"python3","config":{"content":"\#(script)"\#(limits)}}"#.utf8)))
                try #require(saved.status == 201, "\(saved.text)")
            }
        }

        static let authorization = (name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)")

        func get(_ url: String, _ headers: [(name: String, value: String)] = []) async throws -> HTTPReply {
            try await http.send(HTTPCall(url: url, headers: headers))
        }

        func call(_ service: String, _ headers: (name: String, value: String)...) async throws -> HTTPReply {
            try await get("\(url)/api/v2/\(service)", [(name: "X-API-Key", value: key)] + headers)
        }

        /// The value of a sample, such as `name{label="x"}`; nil where there is none.
        func sample(_ name: String, at url: String) async throws -> Double? {
            let reply = try await get(url + "/metrics", [Self.authorization])
            let line = reply.text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
            return line.flatMap { Double($0.dropFirst(name.count + 1)) }
        }
    }

    @Test func theAdministrationAnswersOnlyAtItsOwnPort() async throws {
        let house = try await House.shared.value
        for path in ["/metrics", "/operator/tenants"] {
            #expect(try await house.get(house.url + path, [House.authorization]).status == 404)
            for admin in [house.ingressAdmin, house.workerAdmin] {
                #expect(try await house.get(admin + path, [House.authorization]).status == 200)
                #expect(try await house.get(admin + path).status == 401)
            }
        }
        let key = (name: "X-API-Key", value: house.key)
        #expect(try await house.get(house.ingressAdmin + "/api/v2/inner", [key]).status == 404)
        for url in [house.url, house.ingressAdmin, house.workerAdmin] {
            #expect(try await house.get(url + "/health/live").status == 200)
            #expect(try await house.get(url + "/health/ready").status == 200)
        }
    }

    /// Without a port of their own they share the API's.
    @Test func metricsAreOnThePublicPortElse() async throws {
        let installation = try await TestInstallation.shared()
        let url = installation.ingresses[0] + "/metrics"
        #expect(try await installation.http.send(HTTPCall(url: url)).status == 401)
        let reply = try await installation.http.send(HTTPCall(url: url, headers: [House.authorization]))
        #expect(reply.status == 200)
        #expect(reply.header("Content-Type")?.hasPrefix("text/plain; version=0.0.4") == true)
        let post = try await installation.http.send(
            HTTPCall(method: "POST", url: url, headers: [House.authorization]))
        #expect(post.status == 405)
    }

    @Test func jobsAreCounted() async throws {
        let house = try await House.shared.value
        let accepted = #"scriptorium_jobs_accepted_total{kind="synchronous"}"#
        let finished = #"scriptorium_jobs_finished_total{status="succeeded"}"#
        let runs = #"scriptorium_script_run_seconds_count{language="python3"}"#
        let requests = #"scriptorium_http_requests_total{route="service",status="2xx"}"#
        func samples() async throws -> [Double] {
            let ingress = house.ingressAdmin
            let worker = house.workerAdmin
            return [
                try await house.sample(accepted, at: ingress) ?? 0, try await house.sample(requests, at: ingress) ?? 0,
                try await house.sample(finished, at: worker) ?? 0, try await house.sample(runs, at: worker) ?? 0,
                try await house.sample("scriptorium_claim_jobs_sum", at: worker) ?? 0,
            ]
        }
        let before = try await samples()
        for _ in 1...5 { #expect(try await house.call("inner").status == 200) }
        let after = try await samples()
        // Other tests of this suite call services too.
        for (old, new) in zip(before, after) { #expect(new >= old + 5, "\(before) \(after)") }
        for (name, url) in [
            ("scriptorium_workers", house.ingressAdmin), ("scriptorium_worker_slots", house.ingressAdmin),
            ("scriptorium_database_up", house.ingressAdmin), ("scriptorium_http_connections", house.ingressAdmin),
            ("scriptorium_database_wait_seconds_count", house.workerAdmin),
            ("scriptorium_database_use_seconds_sum", house.workerAdmin),
            ("scriptorium_database_connections", house.ingressAdmin),
            ("scriptorium_claim_seconds_sum", house.workerAdmin),
            (#"scriptorium_job_wait_seconds_sum{kind="synchronous"}"#, house.workerAdmin),
            (#"scriptorium_script_bytes_total{language="python3",direction="in"}"#, house.workerAdmin),
            (#"scriptorium_script_bytes_total{language="python3",direction="out"}"#, house.workerAdmin),
            (#"scriptorium_script_wait_seconds_count{language="python3"}"#, house.workerAdmin),
            (#"scriptorium_interpreter_starts_total{language="python3",kind="zygote"}"#, house.workerAdmin),
        ] {
            #expect(try await house.sample(name, at: url) ?? 0 > 0, "\(name)")
        }
        // How a few milliseconds are shared out between the two is the kernel's guess.
        let cpu = "scriptorium_script_cpu_seconds_total"
        let user = try await house.sample(#"\#(cpu){language="python3",mode="user"}"#, at: house.workerAdmin)
        let system = try await house.sample(#"\#(cpu){language="python3",mode="system"}"#, at: house.workerAdmin)
        #expect(try #require(user) + #require(system) > 0)
        #expect(try await house.sample("scriptorium_worker_slots", at: house.ingressAdmin) == 4)
        #expect(
            try await house.sample("scriptorium_sandbox_tier", at: house.workerAdmin)
                == Double(try await HostSandbox.tier().rank))
        // Only of processes that run scripts.
        #expect(try await house.sample("scriptorium_sandbox_tier", at: house.ingressAdmin) == nil)
        for name in [
            "scriptorium_attempts_lost_total", "scriptorium_results_refused_total",
            "scriptorium_database_connections_busy",
            #"scriptorium_leases_lost_total{cause="given_up"}"#, #"scriptorium_leases_lost_total{cause="not_renewed"}"#,
            "scriptorium_queue_oldest_snapshot_seconds", #"scriptorium_queue_dead_tuples{table="ready"}"#,
            #"scriptorium_queue_dead_tuples{table="run"}"#, #"scriptorium_queue_dead_tuples{table="delayed"}"#,
        ] {
            #expect(try await house.sample(name, at: house.workerAdmin) != nil, "\(name)")
        }
        try await eventually("the worker has let go of all jobs") {
            let busy = try await house.sample(#"scriptorium_slots{state="busy"}"#, at: house.workerAdmin) ?? 0
            let free = try await house.sample(#"scriptorium_slots{state="free"}"#, at: house.workerAdmin) ?? 0
            return busy + free == 4
        }
        for kind in ["synchronous", "asynchronous"] {
            #expect(
                try await house.sample(#"scriptorium_queue_ready_jobs{kind="\#(kind)"}"#, at: house.workerAdmin)
                    != nil)
        }
    }

    @Test func whatAScriptAsksAndPrintsAndTheLimitsThatItMeetsAreCounted() async throws {
        let house = try await House.shared.value
        let names = [
            #"scriptorium_limit_hits_total{limit="api_calls"}"#, #"scriptorium_limit_hits_total{limit="log_bytes"}"#,
            #"scriptorium_limit_hits_total{limit="wall_seconds"}"#,
            #"scriptorium_script_api_calls_total{language="python3"}"#,
            #"scriptorium_script_log_bytes_total{language="python3"}"#,
            #"scriptorium_script_cpu_seconds_total{language="python3",mode="system"}"#,
        ]
        var before: [Double] = []
        for name in names { before.append(try await house.sample(name, at: house.workerAdmin) ?? 0) }
        #expect(try await house.call("limited").status == 504)
        // Each limit counts once in an attempt. No other test of this suite meets one.
        for (index, (name, least)) in zip(names, [1.0, 1, 1, 5, 100, 0]).enumerated() {
            let now = try #require(try await house.sample(name, at: house.workerAdmin))
            #expect(index < 3 ? now == before[index] + least : now >= before[index] + least, "\(name)")
        }
    }

    @Test func whoIsRefusedForAQuotaIsCounted() async throws {
        let house = try await House.shared.value
        let name = #"scriptorium_quota_refusals_total{quota="max_body_bytes"}"#
        let before = try #require(try await house.sample(name, at: house.ingressAdmin))
        let connection = try RawConnection(house.url)
        connection.send(
            "POST /api/v2/inner HTTP/1.1\r\nHost: here\r\nX-API-Key: \(house.key)\r\nContent-Length: 99999999\r\n\r\n")
        #expect(try await connection.all().contains("max_body_bytes"))
        #expect(try await house.sample(name, at: house.ingressAdmin) == before + 1)
    }

    /// A job that was put off has not waited for a worker.
    @Test func onlyTheTimeInTheQueueIsAWait() async throws {
        let house = try await House.shared.value
        let name = #"scriptorium_job_wait_seconds_count{kind="asynchronous"}"#
        let before = try await house.sample(name, at: house.workerAdmin) ?? 0
        for query in ["?delay=0.5&async=true", "?async=true"] {
            let accepted = try await house.get(
                house.url + "/api/v2/inner" + query, [(name: "X-API-Key", value: house.key)])
            let path = try #require(accepted.header("Location"), "\(accepted.text)")
            let ended = try await house.get(
                house.url + path + "/response?wait=60", [(name: "X-API-Key", value: house.key)])
            #expect(ended.status == 200, "\(ended.text)")
        }
        // No other test of this suite has asynchronous jobs.
        #expect(try await house.sample(name, at: house.workerAdmin) == before + 1)
    }

    @Test func aSnapshotThatIsHeldIsSeenWithWhatItKeeps() async throws {
        let house = try await House.shared.value
        let snapshot = try await HeldTransaction(house.databaseURL)
        try await eventually("its age is told") {
            try await house.sample("scriptorium_queue_oldest_snapshot_seconds", at: house.ingressAdmin) ?? 0 > 1
        }
        #expect(try await house.call("inner").status == 200)
        // The server's sessions tell of their deletions from time to time.
        try await eventually("dead rows are counted") {
            try await house.sample(#"scriptorium_queue_dead_tuples{table="run"}"#, at: house.ingressAdmin) ?? 0 > 0
        }
        await snapshot.end()
        try await eventually("no snapshot is left") {
            try await house.sample("scriptorium_queue_oldest_snapshot_seconds", at: house.ingressAdmin) ?? 9 < 1
        }
    }

    @Test(.enabled(if: Promtool.path != nil, "promtool is missing: deploy/promtool gets it"))
    func prometheusHasNothingAgainstTheMetrics() async throws {
        let house = try await House.shared.value
        let promtool = try #require(Promtool.path)
        #expect(try await house.call("outer").status == 200)
        for url in [house.ingressAdmin, house.workerAdmin] {
            let text = try await house.get(url + "/metrics", [House.authorization]).text
            let (code, said) = try await Promtool.check(text, with: promtool)
            #expect(code == 0 && said.isEmpty, "\(said)")
        }
        // It would say so.
        let (code, said) = try await Promtool.check("# TYPE a_ms counter\na_ms 1\n", with: promtool)
        #expect(code != 0 && said.contains("no help text"), "\(said)")
    }

    /// Whatever any room counts, also where nothing was counted yet.
    @Test func everyMetricIsInTheManual() throws {
        let readme = try Checkout.text("README.md")
        let help = try Checkout.text("Sources/scriptorium/House/Metering.swift")
        for file in try Checkout.files(below: "Sources", ending: "Metrics.swift") {
            for match in try Checkout.text(file).matches(of: /"(scriptorium_[a-z_]+)"/) {
                #expect(readme.contains("`\(match.output.1)`"), "README.md does not have \(match.output.1)")
                #expect(help.contains("\"\(match.output.1)\":"), "\(match.output.1) is not explained")
            }
        }
    }

    /// Every name says what it means, and no label has a value for every tenant, service or job.
    @Test func everyMetricIsExplainedAndSmall() async throws {
        let house = try await House.shared.value
        #expect(try await house.call("outer").status == 200)
        _ = try RawConnection(house.url).send("nonsense\r\n\r\n")
        for url in [house.ingressAdmin, house.workerAdmin] {
            let lines = try await house.get(url + "/metrics", [House.authorization]).text.split(separator: "\n")
            var explained: Set<Substring> = []
            for line in lines {
                let words = line.split(separator: " ")
                if line.hasPrefix("# HELP ") { explained.insert(words[2]) }
                if line.hasPrefix("# TYPE ") { #expect(explained.contains(words[2]), "\(line)") }
                #expect(!line.contains("acme") && !line.contains("inner"), "\(line)")
            }
            #expect(lines.count < 1000)
        }
    }

    @Test func aTraceGoesFromTheCallerToTheScriptsWorker() async throws {
        let house = try await House.shared.value
        let trace = RandomSecret.hex(bytes: 16)
        let reply = try await house.call(
            "outer", (name: "traceparent", value: "00-\(trace)-00f067aa0ba902b7-01"),
            (name: "X-Request-Id", value: "mine-\(trace)"))
        #expect(reply.status == 200, "\(reply.text)")
        #expect(reply.header("traceparent") == nil)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        for program in [house.ingress, house.worker] {
            try await eventually("the log has the trace") {
                try lines(program).contains { $0["trace_id"]?.string == trace && $0["job_id"]?.string == job }
            }
            let found = try lines(program).filter { $0["trace_id"]?.string == trace }
            #expect(found.allSatisfy { $0["request_id"]?.string == "mine-\(trace)" }, "\(found)")
        }
        #expect(
            try lines(house.worker).filter { $0["trace_id"]?.string == trace }.map { $0["message"]?.string }
                == ["attempt begins", "attempt ends"])
    }

    /// What goes wrong inside is told with the id of the request behind it, too.
    @Test func aScriptSeesTheRequestsIdInAnError() async throws {
        let house = try await House.shared.value
        let reply = try await house.call("wrong", (name: "X-Request-Id", value: "inside-1"))
        let error = try JSONText(checking: reply.body)["error"]
        #expect(error?["status_code"]?.integer == 404)
        #expect(error?["context"]?["request_id"]?.string == "inside-1")
    }

    /// A trace that is not valid is as good as none: there is a fresh one.
    @Test(arguments: [
        "", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-\(String(repeating: "a", count: 32))-00f067aa0ba902b7-01",
    ])
    func aWrongTraceIsReplaced(given: String) async throws {
        let house = try await House.shared.value
        let id = "wrong-\(RandomSecret.hex(bytes: 8))"
        _ = try await house.call("inner", (name: "traceparent", value: given), (name: "X-Request-Id", value: id))
        try await eventually("the request is logged") {
            try lines(house.ingress).contains { $0["request_id"]?.string == id }
        }
        let traces = Set(
            try lines(house.ingress).filter { $0["request_id"]?.string == id }.compactMap { $0["trace_id"]?.string })
        #expect(traces.count == 1)
        let trace = try #require(traces.first)
        #expect(TraceContext(traceparent: "00-\(trace)-00f067aa0ba902b7-00") != nil)
        #expect(given.isEmpty || !given.contains(trace))
    }

    @Test func logsHoldNoSecret() async throws {
        let house = try await House.shared.value
        _ = try await house.get("\(house.url)/api/v2/inner?api_key=\(house.key)")
        _ = try await house.get(house.ingressAdmin + "/operator/tenants", [House.authorization])
        for program in [house.ingress, house.worker] {
            _ = try lines(program)
            #expect(!program.text.contains(house.key))
            #expect(!program.text.contains(TestInstallation.operatorToken))
        }
    }

    /// The log's lines: all that was printed but what is said to whoever started the program.
    private func lines(_ program: TestProgram) throws -> [JSONText] {
        var lines = program.text.split(separator: "\n", omittingEmptySubsequences: false)
        // The last one may not be whole yet.
        _ = lines.popLast()
        return try lines.filter { !$0.hasPrefix("ready ") && !$0.hasPrefix("admin ") }.map {
            try JSONText(checking: String($0))
        }
    }
}
