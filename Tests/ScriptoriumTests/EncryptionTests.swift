import Core
import Database
import Logging
import TestSupport
import Testing

/// TLS between the program and PostgreSQL, as libpq's options in the URL ask for it.
@Suite(.serialized) struct EncryptionTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Of a server that listens at a port; with TLS where it has an authority.
    private func options(_ authority: TestAuthority?) async throws -> EmbeddedPostgresOptions {
        var options = EmbeddedPostgresOptions(
            dataDirectory: TestFolder.path(for: "encrypted"), port: try freePort(), durable: false)
        guard let authority else { return options }
        let issued = try await authority.issue(for: "db.test")
        options.files = ["db.crt": issued.certificate, "db.key": issued.key]
        options.settings = ["ssl": "on", "ssl_cert_file": "db.crt", "ssl_key_file": "db.key"]
        return options
    }

    /// The same server at its port, under a name that no other machine has to know.
    private func url(_ server: String, host: String = "db.test", _ encryption: String) -> String {
        server.replacing("@/", with: "@\(host)/").replacing(/host=[^&]+/, with: "hostaddr=127.0.0.1") + "&" + encryption
    }

    private static let sessions = Statement(
        "test_sessions",
        """
        select a.application_name, s.ssl, a.query like 'LISTEN%'
        from pg_stat_activity a join pg_stat_ssl s using (pid)
        where a.application_name in ('scriptorium-ingress', 'scriptorium-worker')
        """)

    @Test func everyConnectionIsEncrypted() async throws {
        let authority = try await TestAuthority()
        let house = try await BreakableInstallation(ingresses: 1, workers: 1, server: try await options(authority)) {
            ["SCRIPTORIUM_DATABASE_URL": url($0, "sslmode=verify-full&sslrootcert=\(authority.certificate)")]
        }
        let tenant = try await house.installation.tenant()
        try await tenant.save("echo", "python3", Load.script)
        let load = Load(tenant)
        try await load.during {
            try await eventually("calls are answered") { load.now.answered > 20 }
        }
        #expect(load.now.failures.isEmpty, "\(load.now.failures)")
        #expect(try await load.broken(of: tenant).isEmpty)

        let server = Database(DatabaseOptions(url: house.databaseURL, connections: 1), logger: Self.quiet)
        let sessions = try await server.system.execute(Self.sessions).map {
            try $0.decode(String.self, Bool.self, Bool.self)
        }
        await server.close()
        #expect(sessions.allSatisfy { $0.1 }, "\(sessions)")
        for role in ["ingress", "worker"] {
            let ofRole = sessions.filter { $0.0 == "scriptorium-\(role)" }
            #expect(ofRole.count >= 9, "eight in the pool, and the listener")
            #expect(ofRole.count { $0.2 } == 1)
        }
        #expect(try await house.audit().isEmpty)
        try await house.close()
    }

    /// Whether it is a slip or passes by itself can not be known, so it has some seconds to pass.
    @Test func aServerThatIsNotTheOneMeantStopsTheStart() async throws {
        let authority = try await TestAuthority()
        let stranger = try await TestAuthority()
        let encrypted = try await EmbeddedPostgres.start(try await options(authority), logger: Self.quiet)
        let plain = try await EmbeddedPostgres.start(try await options(nil), logger: Self.quiet)
        let full = "sslmode=verify-full&sslrootcert="
        let cases = [
            (url(encrypted.url, full + stranger.certificate), "certificate verify failed"),
            (url(encrypted.url, host: "other.test", full + authority.certificate), "does not match host name"),
            (url(plain.url, "sslmode=require"), "does not support SSL"),
        ]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (url, cause) in cases {
                group.addTask {
                    let environment = [
                        "SCRIPTORIUM_DATABASE_URL": url, "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
                        "SCRIPTORIUM_PORT": "0",
                    ]
                    let program = try await TestProgram(["ingress"], environment: environment)
                    #expect(try await program.end() ?? 0 != 0)
                    let last = program.text.split(separator: "\n").last ?? ""
                    #expect(last.contains("SCRIPTORIUM_DATABASE_URL: "), "\(program.text)")
                    #expect(last.contains(cause) && last.contains("sslmode"), "\(program.text)")
                    let password = try #require(url.firstMatch(of: /scriptorium:(\w+)@/)).output.1
                    #expect(!program.text.contains(password), "\(program.text)")
                }
            }
            try await group.waitForAll()
        }
        await encrypted.crash()
        await plain.crash()
    }
}
