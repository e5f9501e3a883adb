import Core
import Database
import FoundationEssentials
import Glibc
import TestSupport
import Testing

/// The operator's first hour: a setting that can not work stops the start, and the message names it.
@Suite struct WrongSettingTests {
    /// A value that each setting must refuse.
    private static let wrong = [
        "DATABASE_URL": "junk",
        "DATABASE_LISTEN_URL": "junk",
        "DATABASE_PREPARE": "perhaps",
        "DATABASE_CONNECTIONS": "1",
        "HOST": "no.such.host.invalid",
        "PORT": "65536",
        "ADMIN_PORT": "70000", "MAX_CONNECTIONS": "0",
        "IDLE_TIMEOUT_SECONDS": "never",
        "HEADER_TIMEOUT_SECONDS": "0",
        "BODY_TIMEOUT_SECONDS": "-1",
        "PUBLIC_URL": "example.com",
        "TENANT_DOMAIN": "https://example.com",
        "OPERATOR_TOKEN": "short",
        "SECRET_KEY": "c2hvcnQ=",
        "WORKER_CONCURRENCY": "many",
        "SHUTDOWN_GRACE_SECONDS": "-1",
        "SYNC_SLOT_SHARE": "2",
        "NODE_PATH": "/nowhere/node",
        "PHP_PATH": "/usr/bin/true",
        "PYTHON2_PATH": "/usr/bin/python3",
        "PYTHON3_PATH": "/tmp",
        "CELL_PATH": "/nowhere/cell",
        "SCRIPT_UID": "0",
        "SANDBOX_TIER": "D", "UNSAFE_NO_SANDBOX": "perhaps", "PACKAGES": "/nowhere",
        "LOG_LEVEL": "loud", "LOG_FORMAT": "xml",
    ]

    /// Settings with which a process starts.
    private func right() async throws -> [String: String] {
        [
            "SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(migrations: Migration.embedded),
            "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
            "SCRIPTORIUM_PORT": "0",
        ]
    }

    private func refusal(
        _ arguments: [String], _ environment: [String: String], within limit: Duration = .seconds(60)
    ) async throws -> String {
        let program = try await TestProgram(arguments, environment: environment)
        let code = try await program.end(within: limit)
        #expect(code != 0 && code != nil, "\(program.text)")
        return program.text
    }

    @Test(arguments: wrong.keys.sorted()) func aWrongValueStopsTheStartAndIsNamed(name: String) async throws {
        var environment = try await right()
        environment["SCRIPTORIUM_" + name] = Self.wrong[name]
        // An ingress also minds what only a worker uses: all processes are given the same settings.
        let text = try await refusal(["ingress"], environment)
        #expect(text.contains("SCRIPTORIUM_" + name), "\(text)")
        #expect(!text.contains("ready"))
    }

    @Test func everySettingIsInTheTable() async throws {
        let help = try await TestProgram(["--help"])
        _ = try await help.end()
        let names = help.text.matches(of: /SCRIPTORIUM_([A-Z0-9_]+)/).map { String($0.output.1) }
        #expect(Set(names) == Set(Self.wrong.keys))
    }

    @Test(arguments: [
        ("password", "password authentication failed"), ("role", "\"nobody-of-ours\""),
        ("database", "database \"nowhere\" does not exist"), ("sslmode", "sslmode"), ("option", "can not be read"),
        ("slash", "%2F"), ("at", "%40"),
    ])
    func aDatabaseThatWillNeverAnswerIsNotWaitedFor(what: String, cause: String) async throws {
        let secret = "so-secret-a-word"
        var environment = try await right()
        let url = try #require(environment["SCRIPTORIUM_DATABASE_URL"])
        let wrong = [
            "password": url.replacing(/scriptorium:[^@]*@/, with: "scriptorium:\(secret)@"),
            "role": url.replacing(/scriptorium:[^@]*@/, with: "nobody-of-ours:\(secret)@"),
            "database": url.replacing(/@\/[a-z0-9_]+/, with: "@/nowhere"),
            "sslmode": url + "&sslmode=perhaps",
            "option": url + "&nothing=1",
            "slash": "postgres://scriptorium:so/\(secret)@localhost/scriptorium",
            "at": "postgres://scriptorium:so@\(secret)@localhost/scriptorium",
        ]
        environment["SCRIPTORIUM_DATABASE_URL"] = wrong[what]
        for role in ["ingress", "migrate"] {
            let text = try await refusal([role], environment, within: .seconds(20))
            #expect(text.contains("SCRIPTORIUM_DATABASE_URL: "), "\(text)")
            #expect(text.contains(cause), "\(text)")
            #expect(!text.contains(secret), "\(text)")
        }
    }

    @Test func theDoctorNamesAllThatIsWrong() async throws {
        let text = try await refusal(
            ["doctor"],
            ["SCRIPTORIUM_PORT": "none", "SCRIPTORIUM_LOG_LEVEL": "loud", "SCRIPTORIUM_PHP_PATH": "/nowhere"])
        for name in ["PORT", "LOG_LEVEL", "PHP_PATH"] { #expect(text.contains("SCRIPTORIUM_" + name), "\(text)") }
        var environment = try await right()
        environment["SCRIPTORIUM_DATABASE_URL"] = "host=/nowhere"
        let doctor = try await TestProgram(["doctor"], environment: environment)
        #expect(try await doctor.end() == 0)
        #expect(doctor.text.contains("SCRIPTORIUM_DATABASE_URL: /nowhere:5432 does not answer"), "\(doctor.text)")
    }

    @Test func aDatabaseThatIsAwayIsWaitedFor() async throws {
        var environment = try await right()
        let url = try #require(environment["SCRIPTORIUM_DATABASE_URL"])
        let socket = String(try #require(url.firstMatch(of: /host=([^&]*)/)).output.1)
        let away = "\(TestFolder.path)/away"
        environment["SCRIPTORIUM_DATABASE_URL"] = url.replacing("host=\(socket)", with: "host=\(away)")
        let program = try await TestProgram(["worker"], environment: environment)
        try await eventually("it says that it waits") {
            program.text.contains("waiting for PostgreSQL at \(away):5432")
        }
        #expect(program.status == nil)
        #expect(!program.text.contains("ready"))
        symlink(socket, away)
        _ = try await program.line(after: "ready worker ")
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
    }

    @Test func missingMigrationsAreWaitedFor() async throws {
        var environment = try await right()
        environment["SCRIPTORIUM_DATABASE_URL"] = try await TestPostgres.database()
        let program = try await TestProgram(["ingress"], environment: environment)
        try await eventually("it says what to do") { program.text.contains("run 'scriptorium migrate'") }
        let migrate = try await TestProgram(["migrate"], environment: environment)
        #expect(try await migrate.end() == 0)
        _ = try await program.line(after: "ready ")
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
    }

    @Test func aDatabaseOfAnotherProgramIsRefused() async throws {
        let environment = try await right()
        let database = Database(
            DatabaseOptions(url: try #require(environment["SCRIPTORIUM_DATABASE_URL"]), connections: 1), logger: quiet)
        _ = try await database.system.execute(
            Statement("other", "update scriptorium_migration set checksum = 'other' where number = 2"))
        await database.close()
        for role in ["ingress", "worker", "migrate"] {
            let text = try await refusal([role], environment)
            #expect(text.contains("migration 2 catalog"), "\(text)")
        }
    }

    @Test func aNewerDatabaseIsNotTouched() async throws {
        let environment = try await right()
        let database = Database(
            DatabaseOptions(url: try #require(environment["SCRIPTORIUM_DATABASE_URL"]), connections: 1), logger: quiet)
        _ = try await database.system.execute(
            Statement("later", "insert into scriptorium_migration (number, name, checksum) values (9999, 'later', '')"))
        await database.close()
        let text = try await refusal(["migrate"], environment)
        #expect(text.contains("newer than this program"), "\(text)")
        // A later schema keeps what this program uses, so that programs can be changed one after the other.
        let program = try await TestProgram(["worker"], environment: environment)
        _ = try await program.line(after: "ready ")
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
    }

    @Test(arguments: [
        ("SCRIPTORIUM_PORT=1\n# a comment\n\nSCRIPTORIUM_DATABSE_URL=x\n", ["line 4", "SCRIPTORIUM_DATABASE_URL?"]),
        ("PORT=8080\n", ["line 1", "SCRIPTORIUM_PORT?"]),
        ("SCRIPTORIUM_PORT=1\nso-secret-a-word\n", ["line 2", "'='"]),
        ("SCRIPTORIUM_PORT=1\nso secret-a-word=1\n", ["line 2"]),
        ("SCRIPTORIUM_PORT=1\nSCRIPTORIUM_HOST=h\nSCRIPTORIUM_PORT=2\n", ["line 3", "line 1"]),
        ("SCRIPTORIUM_PORT=1\0", ["not a text"]),
    ])
    func aFileWithALineThatMeansNothingIsRefused(content: String, expected: [String]) async throws {
        let path = "\(TestFolder.path)/settings-\(RandomSecret.hex(bytes: 4))"
        try content.write(toFile: path, atomically: true, encoding: .utf8)
        let text = try await refusal(["ingress", "--config", path], [:])
        for part in expected + [path] { #expect(text.contains(part), "\(text)") }
        #expect(!text.contains("secret-a-word"), "\(text)")
    }

    @Test func aFileThatIsNotThereIsNamed() async throws {
        #expect(
            try await refusal(["worker", "--config", "/nowhere/file"], [:]).contains("'/nowhere/file' of --config"))
        #expect(try await refusal(["worker", "--config", "/tmp"], [:]).contains("'/tmp' of --config"))
    }

    @Test func aFileGivesWhatTheEnvironmentDoesNot() async throws {
        var environment = try await right()
        let path = "\(TestFolder.path)/settings-of-a-file"
        let key = try #require(environment["SCRIPTORIUM_SECRET_KEY"])
        environment["SCRIPTORIUM_SECRET_KEY"] = nil
        try "# ours\nSCRIPTORIUM_SECRET_KEY = \(key)\nSCRIPTORIUM_PORT=wrong\n".write(
            toFile: path, atomically: true, encoding: .utf8)
        environment["SCRIPTORIUM_PROT"] = "1"
        let program = try await TestProgram(["ingress", "--config", path], environment: environment)
        _ = try await program.line(after: "ready ")
        // A variable may be meant for another version: it stops nothing, but its author hears of it.
        #expect(program.text.contains("'SCRIPTORIUM_PROT' is not a setting. Did you mean SCRIPTORIUM_PORT?"))
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
    }
}
