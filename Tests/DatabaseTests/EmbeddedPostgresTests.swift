import FoundationEssentials
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Database

@Suite struct EmbeddedPostgresTests {
    private static let create = Statement("create", "create table kept as select 42::int4 as value")
    private static let read = Statement("read", "select value from kept")

    private func options(_ name: String) -> EmbeddedPostgresOptions {
        EmbeddedPostgresOptions(dataDirectory: "\(TestFolder.path)/\(name)")
    }

    private func database(_ server: EmbeddedPostgres) -> Database {
        Database(DatabaseOptions(url: server.url, connections: 1), logger: quiet)
    }

    private func kept(_ server: EmbeddedPostgres) async throws -> Int32? {
        let database = database(server)
        let value = try await database.system.execute(Self.read).first?.decode(Int32.self)
        await database.close()
        return value
    }

    private func fill(_ server: EmbeddedPostgres) async throws {
        let database = database(server)
        _ = try await database.system.execute(Self.create)
        await database.close()
    }

    private func isAlive(_ process: pid_t) -> Bool { kill(process, 0) == 0 }

    @Test func dataSurvivesAStop() async throws {
        let lines = Mutex<[String]>([])
        let first = try await EmbeddedPostgres.start(options("survives"), logger: quiet) { line in
            lines.withLock { $0.append(line) }
        }
        #expect(lines.withLock { $0 }.count == 1)
        try await fill(first)
        let process = try #require(first.processID)
        await first.stop()
        #expect(!isAlive(process))
        let second = try await EmbeddedPostgres.start(options("survives"), logger: quiet)
        #expect(try await kept(second) == 42)
        await second.stop()
    }

    @Test func aKilledServerIsStartedAgain() async throws {
        let server = try await EmbeddedPostgres.start(options("killed"), logger: quiet)
        try await fill(server)
        let process = try #require(server.processID)
        kill(process, SIGKILL)
        try await eventually("another server runs", within: .seconds(30)) {
            server.processID.map { $0 != process } ?? false
        }
        #expect(try await kept(server) == 42)
        await server.stop()
    }

    @Test func aStaleNoteDoesNotHinderTheStart() async throws {
        let options = options("stale")
        let first = try await EmbeddedPostgres.start(options, logger: quiet)
        try await fill(first)
        await first.stop()
        // The number of a process that exists and is not a server.
        let note = "\(options.dataDirectory)/cluster/postmaster.pid"
        #expect(
            FileManager.default.createFile(
                atPath: note, contents: Data("\(getpid())\n\(options.dataDirectory)/cluster\n".utf8)))
        let second = try await EmbeddedPostgres.start(options, logger: quiet)
        #expect(try await kept(second) == 42)
        await second.stop()
    }

    @Test func theServerEndsWithTheProgram() async throws {
        let options = options("abandoned")
        await #expect(processExitsWith: .signal(SIGKILL)) { [folder = options.dataDirectory as String] in
            let server = try await EmbeddedPostgres.start(
                EmbeddedPostgresOptions(dataDirectory: folder), logger: quiet)
            let process = try #require(server.processID)
            #expect(FileManager.default.createFile(atPath: "\(folder)/noted", contents: Data("\(process)".utf8)))
            kill(getpid(), SIGKILL)
        }
        let note = try #require(FileManager.default.contents(atPath: "\(options.dataDirectory)/noted"))
        let process = try #require(pid_t(String(decoding: note, as: UTF8.self)))
        try await eventually("the server is gone") { !isAlive(process) }
        let next = try await EmbeddedPostgres.start(options, logger: quiet)
        await next.stop()
    }

    @Test func aServerThatWasLeftBehindIsStopped() async throws {
        let options = options("orphan")
        let first = try await EmbeddedPostgres.start(options, logger: quiet)
        try await fill(first)
        await first.stop()
        // A server that does not end with the one who started it.
        let cluster = "\(options.dataDirectory)/cluster"
        let programs = try ServerPrograms.find(version: nil)
        let command = try ServerAccount.choose().command(
            programs, deathSignal: "clear",
            [programs.postgres, "-D", cluster, "-c", "listen_addresses=", "-c", "unix_socket_directories=\(cluster)"])
        let orphan = try ServerProcess(command, log: "\(options.dataDirectory)/orphan.log")
        try await eventually("the old server runs") {
            FileManager.default.contents(atPath: "\(cluster)/postmaster.pid").map {
                String(decoding: $0, as: UTF8.self).contains("ready")
            } ?? false
        }
        let lines = Mutex<[String]>([])
        let next = try await EmbeddedPostgres.start(options, logger: quiet) { line in
            lines.withLock { $0.append(line) }
        }
        #expect(orphan.wait() == nil, "it has ended in good order")
        #expect(
            lines.withLock { $0.first } == "stopping a PostgreSQL server that was left behind (process \(orphan.id))")
        #expect(try await kept(next) == 42)
        await next.stop()
    }

    @Test func aFolderHasOneOwner() async throws {
        let server = try await EmbeddedPostgres.start(options("owned"), logger: quiet)
        let error = await #expect(throws: DatabaseError.self) {
            try await EmbeddedPostgres.start(options("owned"), logger: quiet)
        }
        #expect(error?.message.contains("another program") == true)
        await server.stop()
    }

    @Test(.enabled(if: geteuid() == 0)) func aFolderOutOfReachIsReplaced() async throws {
        let closed = "\(TestFolder.path)/closed"
        mkdir(closed, 0o700)
        let lines = Mutex<[String]>([])
        let server = try await EmbeddedPostgres.start(
            EmbeddedPostgresOptions(dataDirectory: "\(closed)/data"), logger: quiet
        ) { line in lines.withLock { $0.append(line) } }
        let line = try #require(lines.withLock { $0 }.first { $0.contains("can not reach or use") })
        await server.stop()
        let place = try #require(line.components(separatedBy: "the data is in ").last)
        #expect(place.hasPrefix("/var/lib/scriptorium/"))
        try FileManager.default.removeItem(atPath: place)
    }

    @Test func strangersAreKeptOut() async throws {
        let options = options("private")
        let server = try await EmbeddedPostgres.start(options, logger: quiet)
        let socket = try #require(server.url.firstMatch(of: /host=([^&]*)/)).1
        for path in ["\(options.dataDirectory)/password", "\(options.dataDirectory)/cluster", String(socket)] {
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o077 == 0, "\(path) is closed to others")
        }
        let wrong = server.url.replacing(/scriptorium:[^@]*@/, with: "scriptorium:wrong@")
        let error = #expect(throws: DatabaseError.self) {
            try Link.open(LinkTarget(url: wrong, applicationName: "test"))
        }
        #expect(error?.message.contains("password authentication failed") == true)
        await server.stop()
        #expect(access(String(socket), F_OK) != 0)
    }
}
