import Core
import Database
import Glibc
import Outbound
import TestSupport
import Testing

/// The sandbox's tier, wherever it is told and demanded.
@Suite struct TierTests {
    /// An ingress and a worker whose sandbox has tier C at most, so that more can be demanded than there is.
    private struct House: Sendable {
        let programs: [TestProgram]
        let installation: TestInstallation
        let database: Database

        static let shared = Task { try await House() }

        private init() async throws {
            let url = try await TestPostgres.database(migrations: Migration.embedded)
            let environment = [
                "SCRIPTORIUM_DATABASE_URL": url, "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
                "SCRIPTORIUM_PORT": "0", "SCRIPTORIUM_OPERATOR_TOKEN": TestInstallation.operatorToken,
                "SCRIPTORIUM_WORKER_CONCURRENCY": "4", "SCRIPTORIUM_DATABASE_CONNECTIONS": "2",
            ]
            let ingress = try await TestProgram(["ingress"], environment: environment)
            let worker = try await TestProgram(["worker", "--sandbox-tier", "C"], environment: environment)
            let address = try await ingress.line(after: "ready ")
            _ = try await worker.line(after: "ready ")
            programs = [ingress, worker]
            installation = TestInstallation(ingresses: [address], environment: environment)
            database = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        }

        /// Changes a tenant's quotas as the operator does.
        func setQuotas(_ quotas: String, of tenant: TestTenant) async throws {
            let reply = try await installation.http.send(
                HTTPCall(
                    method: "PATCH", url: "\(installation.ingresses[0])/operator/tenants/\(tenant.name)",
                    headers: [
                        (name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)"),
                        (name: "Content-Type", value: "application/json"),
                    ],
                    body: Array(#"{"quotas":\#(quotas)}"#.utf8)))
            try #require(reply.status == 200, "\(reply.text)")
        }

        /// What the worker has: nothing, or C.
        func tier() async throws -> SandboxTier {
            let rows = try await database.system.read { try $0.query(Statement("tier", "select tier from worker")) }
            let tier = try rows.first?.decode(Int16.self)
            return try #require(tier) == 0 ? .none : .c
        }
    }

    private func job(_ reply: HTTPReply) throws -> String {
        "/api/v2/jobs/" + (try #require(reply.header("X-Scriptorium-Job"), "\(reply.text)"))
    }

    @Test func aJobWaitsForASandboxAndSaysSo() async throws {
        let house = try await House.shared.value
        let tenant = try await house.installation.tenant(quotas: #"{"min_tier":"A"}"#)
        try await tenant.save("math", "python3", "return {'sum': 3}")
        let there = try await house.tier()
        let reason = """
            {"policy":"min_tier","min_tier":"A","workers":{"\(there.rawValue)":1},"message":"The job waits for a worker whose \
            sandbox has tier A at least (min_tier). Workers that live: 1 of tier \(there.rawValue)."}
            """
        // A caller that waits is told at the end of the wait.
        let reply = try await tenant.send("GET", "/api/v2/math", headers: [(name: "Prefer", value: "wait=0.2")])
        #expect(reply.status == 202, "\(reply.text)")
        let accepted = try JSONText(checking: reply.body)
        #expect(accepted["status"]?.string == "queued")
        #expect(accepted["wait_reason"]?.text == reason)
        let path = try job(reply)
        #expect(
            try JSONText(checking: try await tenant.send("GET", path + "/response?wait=0.2").body)["wait_reason"]?.text
                == reason)
        let view = try JSONText(checking: try await tenant.send("GET", path).body)
        #expect(view["status"]?.string == "queued")
        #expect(view["wait_reason"]?.text == reason)
        let list = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs").body)
        #expect(list["resource"]?.elements.map { $0["wait_reason"]?.text } == [reason])
        // A lower demand frees what is accepted from now on, and no job that was accepted under the higher one.
        try await house.setQuotas(#"{"min_tier":null}"#, of: tenant)
        try await eventually("new calls are answered") {
            try await tenant.send("GET", "/api/v2/math", headers: [(name: "Prefer", value: "wait=10")]).status == 200
        }
        #expect(try JSONText(checking: try await tenant.send("GET", path).body)["wait_reason"]?.text == reason)
        let cancelled = try JSONText(checking: try await tenant.send("DELETE", path).body)
        #expect(cancelled["status"]?.string == "cancelled")
        #expect(cancelled["wait_reason"]?.isNull == true)
    }

    @Test func whoWaitsForItsTimeOrItsTurnHasNoReason() async throws {
        let house = try await House.shared.value
        let tenant = try await house.installation.tenant(quotas: #"{"min_tier":"A"}"#)
        try await tenant.save("math", "python3", "return 1")
        let later = try await tenant.send(
            "GET", "/api/v2/math?delay=3600", headers: [(name: "Prefer", value: "respond-async")])
        #expect(
            try JSONText(checking: try await tenant.send("GET", try job(later)).body)["wait_reason"]?.isNull == true)
        let easy = try await house.installation.tenant()
        try await easy.save("math", "python3", "return 1")
        let done = try await easy.send("GET", "/api/v2/math")
        #expect(done.status == 200)
        #expect(try JSONText(checking: try await easy.send("GET", try job(done)).body)["wait_reason"]?.isNull == true)
    }

    @Test func aServiceThatCancelsAtTheEndOfTheWaitDoesSo() async throws {
        let house = try await House.shared.value
        let tenant = try await house.installation.tenant(quotas: #"{"min_tier":"B","sync_wait_seconds":0.2}"#)
        try await tenant.save("math", "python3", "return 1", config: #","on_wait_expired":"cancel""#)
        let reply = try await tenant.send("GET", "/api/v2/math")
        #expect(reply.status == 504, "\(reply.text)")
        let view = try JSONText(checking: try await tenant.send("GET", try job(reply)).body)
        #expect(view["status"]?.string == "expired")
        #expect(view["wait_reason"]?.isNull == true)
    }

    /// A worker begins without the flag exactly where something contains the scripts.
    @Test func aWorkerRefusesToRunScriptsUncontained() async throws {
        let environment = [
            "SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(migrations: Migration.embedded),
            "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(), "SCRIPTORIUM_UNSAFE_NO_SANDBOX": "off",
        ]
        let isContained = try await HostSandbox.tier() > .none
        for role in [["worker"], ["dev", "--port", "0", "--data-dir", "\(TestFolder.path)/tier-dev"]] {
            let careful = try await TestProgram(role, environment: environment)
            if isContained {
                _ = try await careful.line(after: "ready ")
                careful.signal(SIGTERM)
                #expect(try await careful.end() == 0)
            } else {
                let code = try await careful.end()
                #expect(code != 0 && code != nil, "\(careful.text)")
                for part in ["No tier of the sandbox works", "scriptorium doctor", "--unsafe-no-sandbox"] {
                    #expect(careful.text.contains(part), "\(careful.text)")
                }
                #expect(!careful.text.contains("\nready"))
            }
        }
        let doctor = try await TestProgram(["doctor"], environment: ["SCRIPTORIUM_UNSAFE_NO_SANDBOX": "off"])
        #expect(try await doctor.end() == (isContained ? 0 : 1), "\(doctor.text)")
        // An ingress runs no scripts.
        let ingress = try await TestProgram(
            ["ingress"], environment: environment.merging(["SCRIPTORIUM_PORT": "0"]) { $1 })
        _ = try await ingress.line(after: "ready ")
        let daring = try await TestProgram(["worker", "--unsafe-no-sandbox"], environment: environment)
        _ = try await daring.line(after: "ready ")
        #expect(daring.text.matches(of: /no sandbox contains/).count == (isContained ? 0 : 1), "\(daring.text)")
        for program in [ingress, daring] { program.signal(SIGTERM) }
        for program in [ingress, daring] { #expect(try await program.end() == 0) }
    }

    @Test func aFlagGoesBeforeTheSetting() async throws {
        let environment = [
            "SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(), "SCRIPTORIUM_SANDBOX_TIER": "C",
            "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
        ]
        for role in ["worker", "dev"] {
            let program = try await TestProgram([role, "--sandbox-tier", "D"], environment: environment)
            #expect(try await program.end() != 0)
            #expect(
                program.text.contains("(--sandbox-tier) must be auto, A, B or C, not 'D'"), "\(program.text)")
        }
    }

    @Test func theTierIsToldWhereWorkersAre() async throws {
        let house = try await House.shared.value
        let doctor = try await TestProgram(["doctor"], environment: house.installation.environment)
        #expect(try await doctor.end() == 0, "\(doctor.text)")
        let there = try await house.tier() == .none ? "no sandbox" : "sandbox tier C"
        #expect(doctor.text.contains("4 slots, \(there)"), "\(doctor.text)")
    }

    @Test(arguments: ["nodejs", "php", "python3", "v8js"]) func theScriptTypesTellTheTruth(language: String)
        async throws
    {
        let tenant = try await TestInstallation.shared().tenant()
        let type = try JSONText(checking: try await tenant.administer("GET", "script_type/\(language)").body)
        #expect(type["sandboxed"]?.bool == (try await HostSandbox.tier() > .none))
    }
}
