import ArgumentParser
import Core
import Database
import FoundationEssentials
import Glibc
import Logging
import UnixSignals

/// Where a benchmark's database is.
struct BenchDatabaseOptions: ParsableArguments {
    @Option(help: "A PostgreSQL to measure on, which is migrated; without it one is started for the time, and removed.")
    var databaseUrl: String?
}

/// A PostgreSQL, as durable as in production, and a directory, both there for the time of a benchmark. They go with it
/// however that ends.
struct BenchPostgres: Sendable {
    let url: String
    /// Of the server, where it was started for this, so that nothing in it must be cleared away.
    let processID: pid_t?
    /// For files of the benchmark's own.
    let directory: String

    var isOwn: Bool { processID != nil }

    static let quiet = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }

    /// Lends one. Ends with an error where it is stopped by a signal, or takes longer than `limit`.
    /// - Parameter settings: of a server that is started for this.
    static func lend<Result: Sendable>(
        _ options: BenchDatabaseOptions, settings: [String: String] = [:], limit: Duration,
        progress: @escaping @Sendable (String) -> Void = { _ in },
        _ body: @escaping @Sendable (BenchPostgres) async throws -> Result
    ) async throws -> Result {
        try await BenchTime.limited(to: limit) {
            try await BenchDirectory.lend { directory in
                if let url = options.databaseUrl {
                    return try await body(BenchPostgres(url: url, processID: nil, directory: directory))
                }
                progress("starting a PostgreSQL")
                var options = EmbeddedPostgresOptions(dataDirectory: "\(directory)/postgres")
                options.settings = settings
                let server = try await EmbeddedPostgres.start(options, logger: quiet, progress: progress)
                return try await cleaning(server.stop) {
                    guard let process = server.processID else {
                        throw BenchFailure(description: "the server has ended")
                    }
                    return try await body(BenchPostgres(url: server.url, processID: process, directory: directory))
                }
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
