import Database
import FoundationEssentials
import Glibc
import Logging
import Synchronization

/// A PostgreSQL server for the tests of one process, started when the first test asks for it and gone at the end.
public enum TestPostgres {
    /// The URL of a fresh database with these migrations applied, as the owner of the server. They run once per process,
    /// in a template.
    public static func database(migrations: [Migration] = []) async throws -> String {
        try await cluster.database(migrations)
    }

    private static let cluster = TestCluster()
}

/// Starts the server and keeps the templates.
private actor TestCluster {
    private var server: Task<EmbeddedPostgres, any Error>?
    private var templates: [[Migration]: Task<String, any Error>] = [:]
    private var last: Task<String, any Error>?
    private var count = 0
    private let logger = Logger(label: "test-postgres") { _ in SwiftLogNoOpLogHandler() }

    func database(_ migrations: [Migration]) async throws -> String {
        let server = try await running()
        let name = next("test")
        guard !migrations.isEmpty else { return try await server.makeDatabase(name, from: "template0") }
        let template = template(migrations, in: server)
        return try await server.makeDatabase(name, from: template.value)
    }

    /// One after the other: migrations make roles, which all databases of a server share.
    private func template(_ migrations: [Migration], in server: EmbeddedPostgres) -> Task<String, any Error> {
        if let known = templates[migrations] { return known }
        let name = next("template")
        let template = Task { [last, logger] in
            _ = await last?.result
            let url = try await server.makeDatabase(name, from: "template0")
            try await Migrator(url: url, migrations: migrations, logger: logger).up()
            return name
        }
        templates[migrations] = template
        last = template
        return template
    }

    private func next(_ prefix: String) -> String {
        count += 1
        return "\(prefix)_\(count)"
    }

    private func running() async throws -> EmbeddedPostgres {
        if let server { return try await server.value }
        let start = Task { [logger] in
            let folder = TestFolder.path
            let server = try await EmbeddedPostgres.start(
                EmbeddedPostgresOptions(dataDirectory: "\(folder)/postgres", durable: false), logger: logger)
            TestEnd.server.withLock { $0 = server }
            atexit { TestEnd.server.withLock { $0 }?.halt() }
            return server
        }
        server = start
        return try await start.value
    }
}

/// What the exit handler needs.
private enum TestEnd {
    static let server = Mutex<EmbeddedPostgres?>(nil)
}

/// The folder of one test process, removed at its end. Its name says whose it is.
public enum TestFolder {
    private static let prefix = "scriptorium-test-"

    public static let path: String = {
        removeAbandoned()
        let path = "/tmp/\(prefix)\(getpid())"
        mkdir(path, 0o755)
        atexit { TestFolder.remove(TestFolder.path) }
        return path
    }()

    /// A path in it that nothing has.
    public static func path(for what: String) -> String { "\(path)/\(what)-\(UInt32.random(in: 0 ... .max))" }

    /// Removes what processes have left that were killed.
    private static func removeAbandoned() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? [] where name.hasPrefix(prefix) {
            guard let owner = pid_t(name.dropFirst(prefix.count)), kill(owner, 0) != 0, errno == ESRCH else { continue }
            remove("/tmp/\(name)")
        }
    }

    /// Also the folder with the socket of each server in it: it lies elsewhere, where the server has noted.
    private static func remove(_ folder: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let note = FileManager.default.contents(atPath: "\(folder)/\(name)/socket") else { continue }
            let socket = String(decoding: note, as: UTF8.self)
            guard socket.hasPrefix("/run/scr-") || socket.hasPrefix("/tmp/scr-") else { continue }
            try? FileManager.default.removeItem(atPath: socket)
        }
        try? FileManager.default.removeItem(atPath: folder)
    }
}
