import Core
import Database
import FoundationEssentials
import Glibc
import Outbound
import TestSupport
import Testing

/// `scriptorium dev`, as a newcomer starts and stops it.
@Suite struct DevTests {
    private struct Running {
        let program: TestProgram
        let credentials: JSONText
        let http = HTTPClient()

        func call(_ path: String) async throws -> HTTPReply {
            let url = try #require(credentials["url"]?.string)
            let key = try #require(credentials["api_key"]?.string)
            return try await http.send(
                HTTPCall(
                    url: url + path,
                    headers: [(name: "X-API-Key", value: key), (name: "Accept", value: "application/json")]))
        }
    }

    private func folder(_ name: String) -> String { "\(TestFolder.path)/dev-\(name)" }

    private func start(_ folder: String, _ options: [String] = []) async throws -> Running {
        let program = try await TestProgram(["dev", "--port", "0", "--data-dir", folder] + options)
        let url = try await program.line(after: "ready ")
        let data = try #require(FileManager.default.contents(atPath: "\(folder)/credentials.json"))
        let credentials = try JSONText(checking: data)
        #expect(credentials["url"]?.string == url)
        return Running(program: program, credentials: credentials)
    }

    @Test func itStartsStopsAndStartsAgainWithItsData() async throws {
        let folder = folder("again")
        let first = try await start(folder)
        #expect(
            first.credentials.members.map(\.key) == [
                "url", "operator_token", "tenant", "admin", "api_key", "database_url",
            ])
        var status = stat()
        #expect(stat("\(folder)/credentials.json", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let reply = try await first.call("/api/v2/hello?name=Ada")
        #expect(reply.text == #"{"success":true,"message":"Hello, Ada!"}"#)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        first.program.signal(SIGTERM)
        #expect(try await first.program.end(within: .seconds(60)) == 0, "\(first.program.text)")

        let second = try await start(folder)
        #expect(second.credentials["api_key"] == first.credentials["api_key"])
        #expect(try await second.call("/api/v2/jobs/\(job)/response").text == reply.text)
        second.program.signal(SIGTERM)
        #expect(try await second.program.end(within: .seconds(60)) == 0)

        // Lost credentials can not be read back from the database: there are new ones.
        try FileManager.default.removeItem(atPath: "\(folder)/credentials.json")
        let third = try await start(folder)
        #expect(third.credentials["api_key"] != first.credentials["api_key"])
        #expect(try await third.call("/api/v2/hello").status == 200)
        third.program.signal(SIGTERM)
        _ = try await third.program.end(within: .seconds(60))
    }

    @Test func aFreshStartKeepsNothing() async throws {
        let folder = folder("fresh")
        let first = try await start(folder)
        // Not while it is in use.
        let second = try await TestProgram(["dev", "--port", "0", "--data-dir", folder, "--fresh"])
        let refused = try await second.end()
        #expect(refused != 0)
        #expect(try await first.call("/api/v2/hello").status == 200)
        first.program.signal(SIGTERM)
        #expect(try await first.program.end() == 0)
        let third = try await start(folder, ["--fresh", "--workers", "2"])
        #expect(third.credentials["api_key"] != first.credentials["api_key"])
        #expect(try await third.call("/api/v2/hello").status == 200)
        third.program.signal(SIGTERM)
        #expect(try await third.program.end() == 0)
    }

    @Test func itsPostgresDiesWithIt() async throws {
        let running = try await start(folder("killed"), ["--no-demo"])
        #expect(try await running.call("/api/v2/hello").status == 404)
        let pids = { try postmasters(of: folder("killed")) }
        #expect(try pids().count == 1)
        running.program.signal(SIGKILL)
        try await eventually("its PostgreSQL is gone", within: .seconds(10)) { try pids().isEmpty }
        // What a crash left behind is recovered.
        let again = try await start(folder("killed"))
        #expect(try await again.call("/health/ready").status == 200)
        again.program.signal(SIGTERM)
        #expect(try await again.program.end(within: .seconds(60)) == 0)
    }

    @Test func aPostgresThatDiesIsStartedAgain() async throws {
        let running = try await start(folder("restarted"))
        let postmaster = try #require(try postmasters(of: folder("restarted")).first)
        kill(postmaster, SIGKILL)
        try await eventually("scripts answer again", within: .seconds(30)) {
            let reply = try await running.call("/api/v2/hello")
            // Meanwhile callers are told to come back.
            if reply.status != 200 {
                #expect(reply.status == 503, "\(reply.text)")
                #expect(reply.header("Retry-After") != nil)
            }
            return reply.status == 200
        }
        #expect(try postmasters(of: folder("restarted")) != [postmaster])
        running.program.signal(SIGTERM)
        #expect(try await running.program.end(within: .seconds(60)) == 0)
    }

    @Test(arguments: [
        (["ingress"], [:], "SCRIPTORIUM_DATABASE_URL"),
        (["worker"], ["DATABASE_URL": "host=/nowhere"], "SCRIPTORIUM_SECRET_KEY"),
        (["migrate"], [:], "SCRIPTORIUM_DATABASE_URL"),
        (["dev", "--port", "99999"], [:], "--port"),
        (["dev", "--data-dir", ""], [:], "--data-dir"),
        (["dev", "--data-dir", "/nowhere/to/be"], [:], "/nowhere/to/be"),
        (["invoke", "hello", "--credentials", "/nowhere/file"], [:], "--credentials"),
    ])
    func whatIsMissingIsNamed(arguments: [String], settings: [String: String], name: String) async throws {
        var environment: [String: String] = [:]
        for (key, value) in settings { environment["SCRIPTORIUM_" + key] = value }
        let program = try await TestProgram(arguments, environment: environment)
        let code = try await program.end(within: .seconds(60))
        #expect(code != 0 && code != nil)
        #expect(program.text.contains(name), "\(program.text)")
    }

    @Test func theDatabasesURLOutlivesACrash() async throws {
        let folder = folder("crash")
        let first = try await start(folder)
        let url = try #require(first.credentials["database_url"]?.string)
        first.program.signal(SIGKILL)
        try await eventually("its PostgreSQL is gone") { try postmasters(of: folder).isEmpty }
        let second = try await start(folder)
        #expect(second.credentials["database_url"]?.string == url)
        #expect(second.credentials["api_key"] == first.credentials["api_key"])
        second.program.signal(SIGTERM)
        #expect(try await second.program.end() == 0)
    }

    @Test func aDamagedDataDirectoryIsToldOf() async throws {
        let folder = folder("damaged")
        let first = try await start(folder, ["--no-demo"])
        first.program.signal(SIGTERM)
        #expect(try await first.program.end() == 0)
        for (file, name) in [
            ("secret_key", "secret_key"), ("postgres/cluster/PG_VERSION", "PG_VERSION"),
            ("postgres/password", "password"),
        ] {
            let path = "\(folder)/\(file)"
            #expect(rename(path, path + ".away") == 0)
            let refused = try await TestProgram(["dev", "--port", "0", "--data-dir", folder])
            #expect(try await refused.end() != 0)
            #expect(refused.text.contains(name) && refused.text.contains("--fresh"), "\(refused.text)")
            #expect(!refused.text.contains("ready"))
            #expect(rename(path + ".away", path) == 0)
        }
        // Nothing was changed by the attempts.
        let again = try await start(folder)
        #expect(again.credentials["api_key"] == first.credentials["api_key"])
        again.program.signal(SIGTERM)
        #expect(try await again.program.end() == 0)
    }

    @Test func dataOfAnotherVersionIsToldOf() async throws {
        let folder = folder("version")
        let first = try await start(folder, ["--no-demo"])
        let database = Database(
            DatabaseOptions(url: try #require(first.credentials["database_url"]?.string), connections: 1),
            logger: quiet)
        _ = try await database.system.execute(
            Statement("change", "update scriptorium_migration set checksum = 'other' where number = 1"))
        await database.close()
        first.program.signal(SIGTERM)
        #expect(try await first.program.end() == 0)
        let refused = try await TestProgram(["dev", "--port", "0", "--data-dir", folder])
        #expect(try await refused.end() != 0)
        #expect(refused.text.contains("another version") && refused.text.contains("--fresh"), "\(refused.text)")
        let fresh = try await start(folder, ["--fresh", "--no-demo"])
        fresh.program.signal(SIGTERM)
        #expect(try await fresh.program.end() == 0)
    }
}

/// The postmasters that run on a data directory.
private func postmasters(of folder: String) throws -> [pid_t] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
        guard let pid = pid_t(name), let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else {
            return nil
        }
        let words = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard words.first?.hasSuffix("/postgres") == true, words.contains(where: { $0.hasPrefix(folder) }) else {
            return nil
        }
        return pid
    }
}
