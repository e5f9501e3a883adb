import Core
import Database
import Glibc

/// A PostgreSQL server to measure the queue on, with databases that are there for one benchmark. Beside that of ``BenchInstallation`` it
/// is tuned for many jobs, and what it already has is not touched.
struct BenchServer: Sendable {
    /// For files.
    let folder: String
    let postmaster: pid_t
    private let url: String

    /// As a server in earnest has it: no checkpoint in the midst of a round, and room for what is hot.
    private static let settings = ["shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"]

    /// Lends a server, and takes away what the benchmark has made.
    /// - Parameter limit: after which there are no figures, but an error.
    static func with<T: Sendable>(
        _ options: BenchDatabaseOptions, limit: Duration, _ body: @escaping @Sendable (BenchServer) async throws -> T
    ) async throws -> T {
        try await BenchPostgres.lend(options, settings: settings, limit: limit) { postgres in
            var postmaster = postgres.processID
            if postmaster == nil {
                // While the connection is there, whose process has the server's for its parent.
                postmaster = try await on(postgres.url) { database in
                    let rows = try await database.system.execute(SystemStatements.process)
                    return try rows.first.flatMap { ProcessorTime.parent(of: try $0.decode(Int32.self)) }
                }
            }
            guard let postmaster else {
                throw BenchFailure(
                    description:
                        "The server of --database-url is not on this machine: its processor time can not be"
                        + " read. Give one that is, or leave the option out.")
            }
            return try await body(BenchServer(folder: postgres.directory, postmaster: postmaster, url: postgres.url))
        }
    }

    /// Lends a database with the schema of this program.
    /// - Parameter name: of the database; there must be none yet.
    func withDatabase<T: Sendable>(_ name: String, _ body: (String) async throws -> T) async throws -> T {
        do {
            _ = try await Self.on(url) {
                try await $0.system.execute(SystemStatements.create(name), limit: .seconds(60))
            }
        } catch let error as DatabaseError where error.sqlState == "42P04" {
            throw BenchFailure(
                description:
                    "There is a database '\(name)' in the server already, of another benchmark that runs or of one"
                    + " that was killed. If none runs, drop it.")
        }
        let url = urlOf(name)
        do {
            try await Migrator(url: url, migrations: Migration.embedded, logger: BenchPostgres.quiet).up()
            let result = try await body(url)
            try await drop(name)
            return result
        } catch {
            try? await drop(name)
            throw error
        }
    }

    private func drop(_ name: String) async throws {
        _ = try await Self.on(url) { try await $0.system.execute(SystemStatements.drop(name), limit: .seconds(60)) }
    }

    /// The URL with another database: what stands last counts.
    private func urlOf(_ name: String) -> String {
        guard url.contains("://") else { return "\(url) dbname='\(name)'" }
        return url + (url.contains("?") ? "&" : "?") + "dbname=\(name)"
    }

    private static func on<T: Sendable>(_ url: String, _ body: (Database) async throws -> T) async throws -> T {
        let database = Database(
            DatabaseOptions(url: url, connections: 1, applicationName: "bench"), logger: BenchPostgres.quiet)
        return try await cleaning(database.close) { try await body(database) }
    }
}
