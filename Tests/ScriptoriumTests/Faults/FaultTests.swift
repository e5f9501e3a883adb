import Core
import Database
import Glibc
import Outbound
import TestSupport
import Testing

/// What breaks, and what must hold all the same. One after the other: each has a PostgreSQL and processes of its own.
@Suite(.serialized) struct FaultTests {
    private let asynchronous = [(name: "Prefer", value: "respond-async")]
    private let name = ScriptName()
    private var sleeper: String {
        """
        \(name.line)import time
        print('begun', flush=True)
        if event.job.attempt == 1: time.sleep(60)
        return {'attempt': event.job.attempt}
        """
    }

    private func job(_ tenant: TestTenant, _ path: String) async throws -> JSONText {
        try JSONText(checking: try await tenant.send("GET", path).body)
    }

    /// The script's process, once it has begun.
    private func process(of tenant: TestTenant, _ path: String) async throws -> pid_t {
        try await eventually("the script has begun") {
            try await job(tenant, "\(path)/logs")["resource"]?.elements.last?["text"]?.string == "begun"
        }
        return try #require(name.process)
    }

    @Test func aKilledWorkersJobsRunAgainAndItsCallersAreTold() async throws {
        let house = try await BreakableInstallation(workers: 1)
        let tenant = try await house.installation.tenant()
        try await tenant.save("sleeper", "python3", sleeper)
        let accepted = try await tenant.send("GET", "/api/v2/sleeper", headers: asynchronous)
        let path = try #require(accepted.header("Location"))
        let waiting = Task {
            try await tenant.send("GET", "/api/v2/sleeper", headers: [(name: "Prefer", value: "wait=60")])
        }
        let script = try await process(of: tenant, path)
        try await eventually("both run") {
            try await job(tenant, "/api/v2/jobs?status=running")["resource"]?.elements.count == 2
        }
        let worker = try await house.program("worker 0")
        let processes = Processes.descendants(of: worker.pid)
        #expect(processes.contains(script) || kill(script, 0) == 0)
        try await house.start("worker 1")
        worker.signal(SIGKILL)
        let killed = ContinuousClock.now
        try await eventually("no process of the worker is left", within: .seconds(10)) {
            processes.allSatisfy { kill($0, 0) != 0 } && kill(script, 0) != 0
        }
        let again = try await tenant.send("GET", "\(path)/response?wait=60", timeout: .seconds(90))
        #expect(again.text == #"{"attempt":2}"#)
        let reply = try await waiting.value
        #expect(reply.status == 503)
        #expect(reply.header("Retry-After") != nil)
        #expect(reply.text.contains("worker"), "\(reply.text)")
        // Both within 30 s, on a machine that does nothing else.
        #expect(killed.duration(to: .now) < .seconds(45))
        #expect(try await job(tenant, path)["attempt"]?.integer == 2)
        #expect(try await house.audit() == "")
        try await house.close()
    }

    @Test func aStoppedWorkersLateResultIsRefused() async throws {
        let house = try await BreakableInstallation(workers: 0)
        let adminPort = try freePort()
        try await house.start("worker 0", settings: ["SCRIPTORIUM_ADMIN_PORT": "\(adminPort)"])
        let tenant = try await house.installation.tenant()
        try await tenant.save(
            "late", "python3", sleeper.replacing("time.sleep(60)", with: "time.sleep(25)"))
        let accepted = try await tenant.send("GET", "/api/v2/late", headers: asynchronous)
        let path = try #require(accepted.header("Location"))
        let script = try await process(of: tenant, path)
        let first = try await house.program("worker 0")
        first.signal(SIGSTOP)
        let processes = [script] + Processes.descendants(of: first.pid).dropFirst()
        try await house.start("worker 1")
        // While the worker stands still: its cell ends the script before another can take the job over, and all else that
        // could run one.
        try await eventually("the stopped worker's script has ended", within: .seconds(15)) {
            processes.allSatisfy { !Processes.isAlive($0) }
        }
        #expect(try await job(tenant, path)["attempt"]?.integer == 1)
        let reply = try await tenant.send("GET", "\(path)/response?wait=60", timeout: .seconds(90))
        #expect(reply.text == #"{"attempt":2}"#)
        first.signal(SIGCONT)
        // Whichever comes first there: what the script gave meanwhile, or the look at the clock.
        try await eventually("the late attempt comes to nothing") {
            first.text.contains("late result refused") || first.text.contains("attempt dropped")
        }
        let metrics = try await house.installation.http.send(
            HTTPCall(
                url: "http://127.0.0.1:\(adminPort)/metrics",
                headers: [(name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)")]))
        let counted = metrics.text.split(separator: "\n").filter {
            $0.hasPrefix("scriptorium_results_refused_total ") || $0.hasPrefix("scriptorium_attempts_dropped_total ")
        }
        #expect(counted.contains { !$0.hasSuffix(" 0") }, "\(metrics.text)")
        // It serves again, under a new number.
        try await eventually("it has registered again") {
            first.text.split(separator: "\n").count { $0.contains("worker registered") } == 2
        }
        #expect(try await tenant.send("GET", "\(path)/response").text == #"{"attempt":2}"#)
        #expect(try await job(tenant, path)["attempt"]?.integer == 2)
        #expect(first.status == nil)
        #expect(try await house.audit() == "")
        try await house.close()
    }

    @Test func aKilledIngressLosesNothingThatItAccepted() async throws {
        let house = try await BreakableInstallation()
        let tenant = try await house.installation.tenant()
        try await tenant.save("echo", "python3", Load.script)
        let load = Load(tenant)
        try await load.during {
            try await eventually("there is load") { load.now.answered > 40 }
            let before = load.now.answered
            try await house.program("ingress 0").signal(SIGKILL)
            try await eventually("the other one serves") { load.now.answered > before + 40 }
        }
        // Calls that were under way when it died have failed, a handful at most.
        #expect(load.now.failures.count <= 4, "\(load.now.failures)")
        #expect(try await load.broken(of: tenant, ingress: 1) == [])
        #expect(try await house.audit() == "")
        try await house.close()
    }

    @Test(arguments: ["stopped", "frozen"])
    func aDatabaseThatIsAwayLosesNothing(how: String) async throws {
        let house = try await BreakableInstallation()
        let tenant = try await house.installation.tenant()
        try await tenant.save("echo", "python3", Load.script)
        let load = Load(tenant)
        try await load.during {
            try await eventually("there is load") { load.now.answered > 40 }
            if how == "stopped" { await house.crashServer() } else { await house.freezeServer() }
            for ingress in 0...1 {
                let begun = ContinuousClock.now
                let reply = try await tenant.send(
                    "POST", "/api/v2/echo", #"{"n":0}"#, headers: [(name: "Prefer", value: "wait=60")],
                    ingress: ingress)
                #expect(reply.status == 503, "\(reply.text)")
                #expect(reply.header("Retry-After") != nil)
                #expect(begun.duration(to: .now) < .seconds(12))
            }
            if how == "stopped" { try await house.startServer() } else { await house.thawServer() }
            let before = load.now.answered
            try await eventually("calls are answered again", within: .seconds(60)) { load.now.answered > before + 40 }
        }
        #expect(
            load.now.failures.allSatisfy { $0.hasPrefix("503 ") },
            "\(load.now.failures.filter { !$0.hasPrefix("503 ") })")
        #expect(try await load.broken(of: tenant) == [])
        #expect(await house.ended == [])
        #expect(try await house.audit() == "")
        try await house.close()
    }

    @Test func aRollingRestartWithAMigrationFailsNoCall() async throws {
        let house = try await BreakableInstallation(ingresses: 2, workers: 4)
        let tenant = try await house.installation.tenant()
        try await tenant.save("echo", "python3", Load.script)
        let load = Load(tenant)
        try await load.during {
            try await eventually("there is load") { load.now.answered > 40 }
            // A migration of the next version, while this one still runs.
            let next = Migration(
                number: 9999, name: "next",
                sql: "alter table job add column next_version integer; alter table result add column next_version text;"
            )
            try await Migrator(
                url: house.databaseURL, migrations: Migration.embedded + [next], logger: quiet
            ).up()
            for name in ["worker 0", "ingress 0", "worker 1", "worker 2", "ingress 1", "worker 3"] {
                let before = load.now.answered
                try await house.stop(name)
                try await house.start(name)
                try await eventually("calls go on") { load.now.answered > before + 20 }
            }
        }
        #expect(load.now.failures.isEmpty, "\(load.now.failures)")
        #expect(try await load.broken(of: tenant) == [])
        #expect(try await house.audit() == "")
        try await house.close()
    }
}
