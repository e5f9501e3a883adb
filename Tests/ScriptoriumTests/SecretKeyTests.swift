import Core
import Database
import Glibc
import Outbound
import TestSupport
import Testing

/// All processes of an installation have the same secret keys, and one that has others says so.
@Suite struct SecretKeyTests {
    @Test(arguments: ["ingress", "worker"]) func anotherKeyStopsTheStart(role: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        var environment = tenant.installation.environment
        let old = try #require(environment["SCRIPTORIUM_SECRET_KEY"])
        let new = SecretKeyRing.generate()
        environment["SCRIPTORIUM_SECRET_KEY"] = new
        let refused = try await TestProgram([role], environment: environment)
        let code = try await refused.end()
        #expect(code != 0 && code != nil)
        #expect(refused.text.contains("SCRIPTORIUM_SECRET_KEY"), "\(refused.text)")
        #expect(!refused.text.contains("ready") && !refused.text.contains(new))

        // Rotation: the old one behind the new one.
        environment["SCRIPTORIUM_SECRET_KEY"] = "\(new),\(old)"
        let rotated = try await TestProgram([role], environment: environment)
        _ = try await rotated.line(after: "ready ")
        rotated.signal(SIGTERM)
        #expect(try await rotated.end() == 0)
    }

    @Test func aTenantMadeWithAnotherKeyLaterFailsAlone() async throws {
        let url = try await TestPostgres.database(migrations: Migration.embedded)
        var programs: [TestProgram] = []
        var ingresses: [String] = []
        // Nothing is sealed yet, so nothing is wrong with either key.
        for _ in 0..<2 {
            let program = try await TestProgram(
                ["ingress"],
                environment: [
                    "SCRIPTORIUM_DATABASE_URL": url, "SCRIPTORIUM_PORT": "0",
                    "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
                    "SCRIPTORIUM_OPERATOR_TOKEN": TestInstallation.operatorToken,
                ])
            ingresses.append(try await program.line(after: "ready "))
            programs.append(program)
        }
        let http = HTTPClient()
        var keys: [String] = []
        for (ingress, name) in zip(ingresses, ["first", "second"]) {
            let reply = try await http.send(
                HTTPCall(
                    method: "POST", url: "\(ingress)/operator/tenants",
                    headers: [(name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)")],
                    body: Array(#"{"name":"\#(name)"}"#.utf8)))
            keys.append(try #require(try JSONText(checking: reply.body)["api_key"]?.string))
        }
        for (caller, ingress, expected) in [(0, 0, 404), (1, 1, 404), (0, 1, 500), (1, 0, 500)] {
            let reply = try await http.send(
                HTTPCall(
                    url: "\(ingresses[ingress])/api/v2/nothing", headers: [(name: "X-API-Key", value: keys[caller])]))
            #expect(reply.status == expected, "\(reply.text)")
            #expect(reply.text.contains("SCRIPTORIUM_SECRET_KEY") == (expected == 500), "\(reply.text)")
        }
        #expect(programs[1].text.contains("tenant not readable"))
        for program in programs {
            program.signal(SIGTERM)
            #expect(try await program.end() == 0)
        }
        await http.close()
    }
}
