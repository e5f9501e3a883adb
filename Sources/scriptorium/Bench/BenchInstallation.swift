import ArgumentParser
import Catalog
import Core
import Database
import FoundationEssentials
import Glibc
import JobQueue
import Logging
import UnixSignals

/// Where a benchmark's database is.
struct BenchDatabaseOptions: ParsableArguments {
    @Option(help: "A PostgreSQL to measure on, which is migrated; without it one is started for the time, and removed.")
    var databaseUrl: String?
}

/// What a benchmark runs on: a migrated PostgreSQL, as durable as in production, and a directory. Both are there for the
/// time of the benchmark, and go with it however that ends.
struct BenchInstallation: Sendable {
    let databaseURL: String
    /// Whether the server was started for this, so that nothing in it must be cleared away.
    let isOwn: Bool
    let settings: Settings
    let secretKey: String
    /// For files of the benchmark's own.
    let directory: String
    let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }

    /// Lends an installation. Ends with an error where it is stopped by a signal, or takes longer than `limit`.
    static func lend<Result: Sendable>(
        _ options: BenchDatabaseOptions, _ settings: Settings, limit: Duration,
        _ body: @escaping @Sendable (BenchInstallation) async throws -> Result
    ) async throws -> Result {
        try await BenchTime.limited(to: limit) {
            try await BenchDirectory.lend { directory in
                let secretKey = settings.text(.secretKey) ?? SecretKeyRing.generate()
                func installation(_ url: String, isOwn: Bool) -> BenchInstallation {
                    BenchInstallation(
                        databaseURL: url, isOwn: isOwn, settings: settings, secretKey: secretKey, directory: directory)
                }
                guard let url = options.databaseUrl else {
                    progress("starting a PostgreSQL")
                    let server = try await EmbeddedPostgres.start(
                        EmbeddedPostgresOptions(dataDirectory: directory + "/postgres"),
                        logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }, progress: progress)
                    return try await cleaning(server.stop) {
                        let installation = installation(server.url, isOwn: true)
                        try await installation.migrate()
                        return try await body(installation)
                    }
                }
                let installation = installation(url, isOwn: false)
                try await installation.migrate()
                return try await body(installation)
            }
        }
    }

    private func migrate() async throws {
        try await Migrator(url: databaseURL, migrations: Migration.embedded, logger: logger).up()
    }

    // MARK: Processes

    /// Lends a process of this program, which has the settings of this one beside those of the installation.
    /// - Parameter changes: settings that are other than those; nil: not set.
    func withProgram<Result: Sendable>(
        _ arguments: [String], _ changes: [(Setting, String?)] = [],
        _ body: (BenchProgram) async throws -> Result
    ) async throws -> Result {
        let own: [(Setting, String?)] = [(.databaseURL, databaseURL), (.secretKey, secretKey)]
        return try await BenchProgram.lend(arguments, settings, own + changes, in: directory, body)
    }

    // MARK: Rooms

    /// The rooms that a benchmark uses in its own process.
    struct Rooms: Sendable {
        let database: Database
        let catalog: Catalog
        let queue: JobQueue
    }

    /// Lends the rooms, at work.
    func withRooms<Result: Sendable>(_ body: @escaping @Sendable (Rooms) async throws -> Result) async throws -> Result
    {
        let options = try settings.database(url: databaseURL, as: "bench")
        let database = Database(options, logger: logger)
        let listener = Listener(options, logger: logger)
        let queue = JobQueue(database: database, listener: listener, logger: logger)
        let rooms = Rooms(
            database: database,
            catalog: Catalog(
                database: database, listener: listener, keyRing: try SecretKeyRing(base64List: secretKey),
                logger: logger),
            queue: queue)
        return try await cleaning(database.close) {
            try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask {
                    // It sends the wake-ups.
                    try await queue.run()
                    return nil
                }
                group.addTask { try await body(rooms) }
                defer { group.cancelAll() }
                for try await result in group { if let result { return result } }
                throw CancellationError()
            }
        }
    }
}

/// A directory for the time of a benchmark.
enum BenchDirectory {
    /// On a disk, which `/tmp` need not be: what is written durably must take its time.
    private static let place = "/var/tmp"

    static func lend<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let path = "\(place)/scriptorium-bench-\(RandomSecret.hex(bytes: 8))"
        // The server's user passes through.
        guard mkdir(path, 0o711) == 0 else {
            throw BenchFailure(description: "'\(path)' can not be made: \(String(cString: strerror(errno)))")
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }
}

/// How long a benchmark may go on.
enum BenchTime {
    /// Ends the work with an error at Ctrl-C, at SIGTERM and when the time is over. What it has to clear away it still does.
    static func limited<Result: Sendable>(
        to limit: Duration, _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) {
                    throw BenchFailure(description: "stopped by a signal before there were figures")
                }
                return nil
            }
            group.addTask {
                try await Task.sleep(for: limit)
                throw BenchFailure(description: "there are no figures after \(limit.components.seconds) seconds")
            }
            defer { group.cancelAll() }
            for try await result in group { if let result { return result } }
            throw CancellationError()
        }
    }
}

/// Does the work, and what must follow it, whatever became of it.
func cleaning<Result>(
    _ cleanUp: () async -> Void, _ work: () async throws -> Result
) async throws -> Result {
    let result: Result
    do {
        result = try await work()
    } catch {
        await cleanUp()
        throw error
    }
    await cleanUp()
    return result
}
