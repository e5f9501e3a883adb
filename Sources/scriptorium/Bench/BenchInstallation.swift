import Catalog
import Core
import Database
import JobQueue

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

    /// Lends an installation. Ends with an error where it is stopped by a signal, or takes longer than `limit`.
    static func lend<Result: Sendable>(
        _ options: BenchDatabaseOptions, _ settings: Settings, limit: Duration,
        _ body: @escaping @Sendable (BenchInstallation) async throws -> Result
    ) async throws -> Result {
        try await BenchPostgres.lend(options, limit: limit, progress: progress) { postgres in
            try await Migrator(url: postgres.url, migrations: Migration.embedded, logger: BenchPostgres.quiet).up()
            return try await body(
                BenchInstallation(
                    databaseURL: postgres.url, isOwn: postgres.isOwn, settings: settings,
                    secretKey: settings.text(.secretKey) ?? SecretKeyRing.generate(), directory: postgres.directory))
        }
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
        let database = Database(options, logger: BenchPostgres.quiet)
        let listener = Listener(options, logger: BenchPostgres.quiet)
        let queue = JobQueue(database: database, listener: listener, logger: BenchPostgres.quiet)
        let rooms = Rooms(
            database: database,
            catalog: Catalog(
                database: database, listener: listener, keyRing: try SecretKeyRing(base64List: secretKey),
                logger: BenchPostgres.quiet),
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
