import Core
import FoundationEssentials
import Glibc
import Outbound
import TestSupport
import Testing

/// The everyday verbs of operators and authors, as a shell runs them.
@Suite struct VerbTests {
    /// A tenant with credentials in a file, as `dev` writes them.
    private struct Client {
        let tenant: TestTenant
        let credentials: String

        init(_ tenant: TestTenant, url: String? = nil) throws {
            self.tenant = tenant
            credentials = "\(TestFolder.path)/\(tenant.name)-\(RandomSecret.hex(bytes: 4)).json"
            let json = JSONText.object([
                ("url", .string(url ?? tenant.installation.ingresses[0])),
                ("operator_token", .string(TestInstallation.operatorToken)),
                ("tenant", .string(tenant.name)),
                ("admin", .object([("email", .string(tenant.email)), ("password", .string(tenant.password))])),
                ("api_key", .string(tenant.apiKey)),
            ])
            try json.text.write(toFile: credentials, atomically: true, encoding: .utf8)
        }

        func start(_ arguments: [String]) async throws -> TestProgram {
            try await TestProgram(arguments + ["--credentials", credentials])
        }

        /// Runs a verb to its end.
        func run(_ arguments: String...) async throws -> (code: Int32?, text: String) {
            let program = try await start(arguments)
            return (try await program.end(), program.text)
        }

        /// The job of an asynchronous call.
        func job(_ service: String) async throws -> String {
            let (code, text) = try await run("invoke", service, "--async")
            #expect(code == 0, "\(text)")
            return try #require(try JSONText(checking: text)["id"]?.string)
        }
    }

    private func client() async throws -> Client {
        try Client(try await TestInstallation.shared().tenant())
    }

    @Test func aTenantIsMadeOnce() async throws {
        let client = try await client()
        let name = "made-by-verb"
        let made = try await client.run(
            "tenant", "create", name, "--label", "Made", "--json", "--quota", "max_concurrent=4", "jobs_per_day=null")
        #expect(made.code == 0, "\(made.text)")
        let json = try JSONText(checking: made.text)
        #expect(json["name"]?.string == name)
        let key = try #require(json["api_key"]?.string)
        // The key works: there is nothing behind it yet.
        let invoked = try await client.run("invoke", "nothing", "--api-key", key)
        #expect(invoked.code == 4, "\(invoked.text)")

        let again = try await client.run("tenant", "create", name)
        #expect(again.code == 6)
        #expect(again.text.contains("exists already"))
        let quota = try await client.run("tenant", "create", "other-name", "--quota", "max_jobs=1", "--json")
        #expect(quota.code == 1)
        #expect(try JSONText(checking: quota.text)["error"]?["message"]?.string?.contains("'max_jobs'") == true)
    }

    @Test func aTenantIsShownChangedAndRemoved() async throws {
        let client = try await client()
        let name = client.tenant.name
        try await client.tenant.save("one", "python3", "print('x')\nreturn 1")
        let listed = try await client.run("tenant", "list", "--json")
        let names = try listed.text.split(separator: "\n").map { try JSONText(checking: String($0))["name"]?.string }
        #expect(names.contains(name), "\(listed.text)")
        let table = try await client.run("tenant", "list")
        #expect(table.text.hasPrefix("NAME "))
        #expect(table.text.split(separator: "\n").contains { $0.hasPrefix("\(name) ") })

        let changed = try await client.run(
            "tenant", "set-quota", name, "max_body_bytes=4096", "jobs_per_day=null", "egress=example.com,10.0.0.0/8",
            "--json")
        #expect(changed.code == 0, "\(changed.text)")
        _ = try await client.run("tenant", "set-quota", name, "egress=none")
        let shown = try JSONText(checking: try await client.run("tenant", "show", name, "--json").text)
        #expect(shown["quotas"]?["max_body_bytes"]?.integer == 4096)
        #expect(shown["quotas"]?["jobs_per_day"]?.isNull == true)
        #expect(shown["quotas"]?["egress"]?.string == "none")
        let facts = try await client.run("tenant", "show", name).text
        #expect(facts.contains(try Regex("quotas.max_body_bytes +4096")), "\(facts)")
        #expect(facts.contains(try Regex("quotas.jobs_per_day +no limit")), "\(facts)")
        #expect(try await client.run("tenant", "set-quota", name, "max_jobs=1").code == 1)
        #expect(try await client.run("tenant", "show", "nobody-here").code == 4)

        #expect(try await client.run("invoke", "one").code == 0)
        try await eventually("the usage counts the call") {
            let usage = try await client.run("tenant", "usage", name, "--json")
            #expect(usage.code == 0, "\(usage.text)")
            let days = try usage.text.split(separator: "\n").map { try JSONText(checking: String($0)) }
            return days.contains { $0["service"]?.string == "one" && $0["jobs"]?.integer == 1 }
        }
        #expect(try await client.run("tenant", "usage", name, "--from", "2020-01-01", "--to", "2020-01-02").code == 0)
        #expect(try await client.run("tenant", "usage", name, "--from", "soon").code == 1)

        // Both ingresses know within a second.
        for (verb, code) in [("suspend", 5), ("resume", 0)] {
            #expect(try await client.run("tenant", verb, name).code == 0)
            try await eventually("the tenant is told") { try await client.run("invoke", "one").code == Int32(code) }
        }
        #expect(try await client.run("tenant", "delete", name, "--yes").code == 0)
        try await eventually("its key has stopped") { try await client.run("invoke", "one").code == 5 }
        #expect(try await client.run("tenant", "show", name).code == 4)
        #expect(try await client.run("tenant", "delete", name, "--yes").code == 4)
    }

    @Test func theExitCodeTellsWhy() async throws {
        let client = try await client()
        try await client.tenant.save("thrower", "python3", "raise Exception('on purpose')")
        let url = client.tenant.installation.ingresses[0]
        for (arguments, code, part) in [
            (["invoke", "nothing"], 4, "Could not find a service"),
            (["invoke", "thrower"], 1, "on purpose"),
            (["invoke", "thrower", "--api-key", "wrong"], 5, "Invalid API Key"),
            (["jobs", "show", "no-such-job"], 4, "not found"),
            (
                ["jobs", "show", "no-such-job", "--url", "http://127.0.0.1:1", "--api-key", "x"], 2,
                "can not be reached"
            ),
            (["jobs", "show", "no-such-job", "--url", "http://127.0.0.1:1"], 64, "SCRIPTORIUM_API_KEY"),
            (["tenant", "create", "abc", "--url", url + "/"], 64, "SCRIPTORIUM_OPERATOR_TOKEN"),
            (["tenant", "create", "abc", "--quota", "max_queued"], 64, "KEY=VALUE"),
            (["tenant", "delete", client.tenant.name], 64, "--yes"),
            (["app", "create", "web", "--tenant", "elsewhere"], 64, "--password-file"),
            (["logs", "-f", "no-such-job"], 4, "not found"),
            (["jobs", "list", "--status", "lost"], 64, "succeeded"),
            (["jobs", "list", "--since", "yesterday"], 64, "RFC 3339"),
        ] {
            let program = try await client.start(arguments)
            #expect(try await program.end() == Int32(code), "\(arguments): \(program.text)")
            #expect(program.text.contains(part), "\(arguments): \(program.text)")
        }
    }

    @Test func anAppsKeyIsPrintedOnce() async throws {
        let client = try await client()
        try await client.tenant.save("one", "python3", "return 1")
        let made = try await client.run("app", "create", "website", "--json")
        #expect(made.code == 0, "\(made.text)")
        let key = try #require(try JSONText(checking: made.text)["api_key"]?.string)
        // It has the rights of the tenant's first app.
        let invoked = try await client.run("invoke", "one", "--api-key", key)
        #expect(invoked.code == 0 && invoked.text == "1\n", "\(invoked.text)")
        #expect(try await client.run("app", "create", "website").code == 1)

        let password = "\(TestFolder.path)/\(client.tenant.name).password"
        try (client.tenant.password + "\n").write(toFile: password, atomically: true, encoding: .utf8)
        let named = [
            "app", "create", "second", "--tenant", client.tenant.name, "--email", client.tenant.email,
            "--password-file", password,
        ]
        let second = try await client.start(named)
        #expect(try await second.end() == 0, "\(second.text)")
        #expect(second.text.firstMatch(of: /[0-9a-f]{64}/) != nil)
        try "wrong\n".write(toFile: password, atomically: true, encoding: .utf8)
        let third = try await client.start(named)
        #expect(try await third.end() == 5, "\(third.text)")
    }

    @Test func anAppHasTheRoleThatIsNamed() async throws {
        let client = try await client()
        let role = try await client.tenant.administer("POST", "role", #"{"name":"narrow"}"#)
        let id = try #require(try JSONText(checking: role.body)["resource"]?.elements.first?["id"]?.integer)
        for (app, name) in [("by-name", "narrow"), ("by-number", "\(id)")] {
            let made = try await client.run("app", "create", app, "--role", name, "--json")
            #expect(made.code == 0, "\(made.text)")
            #expect(try JSONText(checking: made.text)["role_id"]?.integer == id)
        }
        let unknown = try await client.run("app", "create", "none", "--role", "nobody")
        #expect(unknown.code == 4 && unknown.text.contains("narrow"), "\(unknown.code ?? -1) \(unknown.text)")
    }

    @Test func aJobIsFoundFollowedAndRepeated() async throws {
        let client = try await client()
        try await client.tenant.save("answer", "python3", "print('working')\nreturn {'n': 42}")
        let id = try await client.job("answer")
        let response = try await client.run("jobs", "response", id, "--wait", "30")
        #expect(response.code == 0 && response.text == "{\"n\":42}\n", "\(response.text)")
        let shown = try await client.run("jobs", "show", id)
        #expect(shown.text.contains("succeeded"))
        #expect(try await client.run("logs", id).text == "working\n")
        #expect(try await client.run("logs", "-f", id).text == "working\n")

        let retried = try await client.run("jobs", "retry", id)
        let second = retried.text.trimming { $0 == "\n" }
        #expect(retried.code == 0 && second != id)
        let waited = try await client.run("jobs", "show", String(second), "--wait", "30", "--json")
        #expect(try JSONText(checking: waited.text)["retry_of"]?.string == id)
        #expect(try JSONText(checking: waited.text)["status"]?.string == "succeeded")

        let listed = try await client.run("jobs", "list", "--json", "--since", "1h", "--service", "answer")
        let ids = try listed.text.split(separator: "\n").map { try JSONText(checking: String($0))["id"]?.string }
        #expect(ids == [String(second), id])
        let table = try await client.run("jobs", "list", "--status", "succeeded", "--limit", "1")
        let lines = table.text.split(separator: "\n")
        #expect(lines.count == 2, "\(table.text)")
        #expect(lines[0].hasPrefix("ID ") && lines[1].hasPrefix("\(second)  succeeded"))
        #expect(try await client.run("jobs", "list", "--status", "failed", "--json").text.isEmpty)
    }

    @Test func aJobIsCancelled() async throws {
        let client = try await client()
        try await client.tenant.save("endless", "python3", "import time\nprint('begun', flush=True)\ntime.sleep(300)")
        let id = try await client.job("endless")
        let early = try await client.run("jobs", "response", id)
        #expect(early.code == 3, "\(early.text)")
        let follower = try await client.start(["logs", "-f", id])
        _ = try await follower.line(after: "begun")
        #expect(try await client.run("jobs", "cancel", id).code == 0)
        #expect(try await follower.end() == 1)
        #expect(follower.text.contains("The job was cancelled"), "\(follower.text)")
        #expect(try await client.run("jobs", "cancel", id).code == 6)
        #expect(try await client.run("jobs", "response", id).code == 6)
    }

    @Test func aFollowerOutlivesItsIngress() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        var environment = tenant.installation.environment
        let first = try await TestProgram(["ingress"], environment: environment)
        let url = try await first.line(after: "ready ")
        let client = try Client(tenant, url: url)
        // The script goes on when it is told to: when the ingress is away.
        try await tenant.save(
            "steps", "python3",
            "import time\nfor n in range(5): print('early', n, flush=True)\n"
                + "while platform.api.get('gate').status != 200: time.sleep(0.3)\n"
                + "for n in range(5): print('late', n, flush=True)\nraise Exception('on purpose')")
        let id = try await client.job("steps")
        let follower = try await client.start(["logs", "-f", id])
        _ = try await follower.line(after: "early 4")
        first.signal(SIGKILL)
        _ = try await first.end()
        try await eventually("it notices") { follower.text.contains("trying again") }
        try await tenant.save("gate", "php", "return 1;")
        environment["SCRIPTORIUM_PORT"] = String(try #require(url.split(separator: ":").last))
        let second = try await TestProgram(["ingress"], environment: environment)
        #expect(try await follower.end() == 1)
        // Each line once, in order.
        let lines = follower.text.split(separator: "\n").filter { $0.hasPrefix("early") || $0.hasPrefix("late") }
        #expect(lines == ["early", "late"].flatMap { word in (0..<5).map { "\(word) \($0)" } }, "\(follower.text)")
        #expect(follower.text.contains("on purpose"))
        second.signal(SIGTERM)
        _ = try await second.end()
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func theShellCompletesWhatIsKnown(shell: String) async throws {
        let script = try await TestProgram(["--generate-completion-script", shell])
        #expect(try await script.end() == 0)
        for word in ["set-quota", "max_concurrent=", "succeeded", "tenant"] {
            #expect(script.text.contains(word), "\(word)")
        }
    }

    @Test func theReadmeListsTheExitCodes() async throws {
        let help = try await TestProgram(["--help"])
        _ = try await help.end()
        let told = help.text.matches(of: /\n +(\d+)  ([^\n]+)/).map { "\($0.output.1) \($0.output.2)" }
        let listed = try Checkout.text("README.md").matches(of: /\n\| (\d+) \| ([^|\n]+) \|/).map {
            "\($0.output.1) \($0.output.2)"
        }
        #expect(!told.isEmpty)
        #expect(told == listed)
    }
}
