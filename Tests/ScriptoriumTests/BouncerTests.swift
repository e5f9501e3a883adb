import Core
import Database
import Glibc
import Logging
import Outbound
import Synchronization
import TestSupport
import Testing

/// The whole installation behind a PgBouncer in transaction mode: each transaction may meet another connection of the
/// server, and one that somebody else has used before.
@Suite(.serialized) struct BouncerTests {
    private let asynchronous = [(name: "Prefer", value: "respond-async")]
    private static let poolSize = 3

    private func installation(
        _ body: (BreakableInstallation, TestBouncer) async throws -> Void
    ) async throws {
        let made = Mutex<TestBouncer?>(nil)
        let house = try await BreakableInstallation(settings: ["SCRIPTORIUM_DATABASE_PREPARE": "off"]) { server in
            let bouncer = try await TestBouncer(server: server, poolSize: Self.poolSize)
            made.withLock { $0 = bouncer }
            return ["SCRIPTORIUM_DATABASE_URL": bouncer.url, "SCRIPTORIUM_DATABASE_LISTEN_URL": server]
        }
        let bouncer = try #require(made.withLock { $0 })
        try await body(house, bouncer)
        #expect(await house.ended.isEmpty)
        #expect(try await house.audit().isEmpty)
        try await house.close()
        try await bouncer.kill()
    }

    private func job(_ tenant: TestTenant, _ path: String, ingress: Int? = nil) async throws -> JSONText {
        try JSONText(checking: try await tenant.send("GET", path, ingress: ingress).body)
    }

    @Test func everythingWorksBehindIt() async throws {
        try await installation { house, _ in
            #expect(try await house.run(["migrate"]).text.contains("up to date"))
            #expect(try await house.run(["migrate", "status"]).text.contains("1 roles: applied"))
            let tenant = try await house.installation.tenant()
            // Saved through one ingress, and known to both within a second, which `save` looks at.
            try await tenant.save("echo", "python3", "return event.request.payload")
            let body = #"{"n":12345678901234567890,"text":"a ä €"}"#
            for ingress in 0...1 {
                let reply = try await tenant.send("POST", "/api/v2/echo", body, ingress: ingress)
                #expect(reply.status == 200 && reply.text == body)
            }

            let accepted = try await tenant.send("POST", "/api/v2/echo", body, headers: asynchronous, ingress: 0)
            #expect(accepted.status == 202)
            let path = try #require(accepted.header("Location"))
            #expect(try await tenant.send("GET", "\(path)/response?wait=30", ingress: 1).text == body)
            let listed = try await job(tenant, "/api/v2/jobs", ingress: 1)["resource"]?.elements
            #expect(listed?.compactMap { $0["status"]?.string } == ["succeeded", "succeeded", "succeeded"])

            let key = asynchronous + [(name: "Idempotency-Key", value: "once")]
            let first = try await tenant.send("POST", "/api/v2/echo", "{}", headers: key, ingress: 0)
            let again = try await tenant.send("POST", "/api/v2/echo", "{}", headers: key, ingress: 1)
            #expect(first.status == 202 && first.header("X-Scriptorium-Job") == again.header("X-Scriptorium-Job"))
            let other = try await tenant.send("POST", "/api/v2/echo", #"{"a":1}"#, headers: key)
            #expect(other.status == 422)

            // Its session holds at the other ingress too, and not once it is ended.
            let session = [(name: "X-DreamFactory-Session-Token", value: tenant.token)]
            for ingress in 0...1 {
                #expect(
                    try await tenant.raw("GET", "/api/v2/user/session", headers: session, ingress: ingress).status
                        == 200)
            }
            #expect(try await tenant.raw("DELETE", "/api/v2/user/session", headers: session, ingress: 0).status == 200)
            try await eventually("the other ingress knows that the session is over", within: .seconds(5)) {
                try await tenant.raw("GET", "/api/v2/user/session", headers: session, ingress: 1).status == 401
            }
        }
    }

    @Test func whatRunsIsFollowedAndCancelled() async throws {
        try await installation { house, _ in
            let tenant = try await house.installation.tenant()
            try await tenant.save(
                "talk", "python3",
                "import time\nfor n in range(3):\n    print('line', n, flush=True)\n    time.sleep(0.4)\nreturn 1")
            let talk = try #require(
                try await tenant.send("GET", "/api/v2/talk", headers: asynchronous).header("Location"))
            let stream = [(name: "Accept", value: "text/event-stream")]
            let whole = try await tenant.send("GET", "\(talk)/logs", headers: stream, ingress: 1).text
            for number in 0..<3 { #expect(whole.contains("line \(number)")) }
            #expect(whole.contains(#"event: end"#))

            let name = ScriptName()
            try await tenant.save(
                "sleep", "python3", "\(name.line)import time\nprint('begun', flush=True)\ntime.sleep(60)\nreturn 1")
            let path = try #require(
                try await tenant.send("GET", "/api/v2/sleep", headers: asynchronous).header("Location"))
            try await eventually("the script has begun") {
                try await job(tenant, "\(path)/logs")["resource"]?.elements.last?["text"]?.string == "begun"
            }
            #expect(name.process != nil)
            #expect(try await tenant.send("DELETE", path, ingress: 1).status == 200)
            try await eventually("its process is gone", within: .seconds(5)) { name.process == nil }
            #expect(try await tenant.send("GET", "\(path)/response").status == 409)
        }
    }

    /// Who is at work on which connection of the server: PgBouncer adds the client's address to its name.
    private static let sessions = Statement(
        "test_sessions",
        """
        select pid, application_name from pg_stat_activity
        where datname = current_database() and application_name like '% - 127.0.0.1:%'
        """)

    @Test func tenantsShareItsConnectionsAndSeeNothingOfEachOther() async throws {
        try await installation { house, _ in
            let server = Database(
                DatabaseOptions(url: house.databaseURL, connections: 1),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let first = try await house.installation.tenant()
            let second = try await house.installation.tenant()
            try await first.save("echo", "python3", Load.script)
            try await second.save("echo", "python3", Load.script)
            let (one, two) = (Load(first), Load(second))
            try await one.during(callers: 3) {
                try await two.during(callers: 3) {
                    var clients: [Int32: Set<String>] = [:]
                    try await eventually("both are answered, over shared connections", within: .seconds(90)) {
                        let rows = try await server.system.execute(Self.sessions)
                        #expect(rows.count <= Self.poolSize)
                        for row in rows {
                            let (pid, name) = try row.decode(Int32.self, String.self)
                            clients[pid, default: []].insert(name)
                        }
                        return one.now.answered > 60 && two.now.answered > 60
                            && clients.values.contains { $0.count > 5 }
                    }
                }
            }
            await server.close()
            for (load, tenant, other) in [(one, first, second), (two, second, first)] {
                #expect(load.now.failures.isEmpty, "\(load.now.failures)")
                #expect(try await load.broken(of: tenant).isEmpty)
                let path = try #require(load.now.accepted.first?.path)
                #expect(try await other.send("GET", path).status == 404)
                let listed = try await job(other, "/api/v2/jobs?limit=1000")["resource"]?.elements
                let theirs = Set(load.now.accepted.compactMap { $0.path.split(separator: "/").last.map(String.init) })
                #expect(listed?.isEmpty == false)
                #expect(listed?.contains { theirs.contains($0["id"]?.string ?? "") } == false)
            }
        }
    }

    @Test(arguments: ["PgBouncer", "PostgreSQL"])
    func anEndOfEitherLosesNothing(whose: String) async throws {
        try await installation { house, bouncer in
            let tenant = try await house.installation.tenant()
            try await tenant.save("echo", "python3", Load.script)
            let load = Load(tenant)
            try await load.during {
                try await eventually("there is load") { load.now.answered > 40 }
                if whose == "PgBouncer" { try await bouncer.kill() } else { await house.crashServer() }
                for ingress in 0...1 {
                    let begun = ContinuousClock.now
                    let reply = try await tenant.send(
                        "POST", "/api/v2/echo", #"{"n":0}"#, headers: [(name: "Prefer", value: "wait=60")],
                        ingress: ingress)
                    #expect(reply.status == 503, "\(reply.text)")
                    #expect(reply.header("Retry-After") != nil)
                    #expect(begun.duration(to: .now) < .seconds(12))
                }
                if whose == "PgBouncer" { try await bouncer.start() } else { try await house.startServer() }
                let before = load.now.answered
                try await eventually("calls are answered again", within: .seconds(60)) {
                    load.now.answered > before + 40
                }
            }
            #expect(
                load.now.failures.allSatisfy { $0.hasPrefix("503 ") },
                "\(load.now.failures.filter { !$0.hasPrefix("503 ") })")
            #expect(try await load.broken(of: tenant).isEmpty)
        }
    }

    @Test func whatItDoesNotLetThroughStopsTheStart() async throws {
        try await installation { house, _ in
            for (removed, roles) in [
                ("SCRIPTORIUM_DATABASE_PREPARE", ["ingress", "worker"]),
                ("SCRIPTORIUM_DATABASE_LISTEN_URL", ["ingress", "worker", "migrate"]),
            ] {
                var environment = house.environment
                environment[removed] = nil
                for role in roles {
                    let program = try await TestProgram([role], environment: environment)
                    #expect(try await program.end(within: .seconds(20)) ?? 0 != 0)
                    #expect(program.text.contains("\(removed): at 127.0.0.1:"), "\(program.text)")
                    #expect(!program.text.contains("ready"), "\(program.text)")
                }
            }
            // Where it gives each connection one of the server's, nothing has to be said.
            let bouncer = try await TestBouncer(server: house.databaseURL, poolSize: 50, mode: "session")
            var environment = house.environment
            environment["SCRIPTORIUM_DATABASE_PREPARE"] = nil
            environment["SCRIPTORIUM_DATABASE_LISTEN_URL"] = nil
            environment["SCRIPTORIUM_DATABASE_URL"] = bouncer.url
            let program = try await TestProgram(["worker"], environment: environment)
            _ = try await program.line(after: "ready ")
            program.signal(SIGTERM)
            #expect(try await program.end() == 0)
            try await bouncer.kill()
        }
    }
}
