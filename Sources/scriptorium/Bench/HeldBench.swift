import ArgumentParser
import Core
import Database
import Synchronization

/// `scriptorium bench held`
struct HeldBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "held",
        abstract:
            "Measures the queue while another session holds a snapshot, so that nothing deleted can be cleaned up.",
        discussion: """
            Callers and workers are at work all the time, as in 'bench queue'. A REPEATABLE READ transaction that has a \
            number of its own is open for a while: what counts is the last part of that while, against the time before it.
            """)

    @Option(help: "How long the snapshot is held, at most 3600 seconds.")
    var hold = 60.0

    @Option(help: "How long to measure before, at the end of the hold and after it, each; at most the hold.")
    var seconds = 8.0

    @Option(help: "How many tenants the jobs belong to, at most 100000.")
    var tenants = 100

    @OptionGroup var format: FormatOptions
    @OptionGroup var server: BenchDatabaseOptions

    func validate() throws {
        guard hold > 0, hold <= 3600 else { throw ValidationError("--hold must be above 0 and at most 3600.") }
        guard seconds > 0, seconds <= hold else {
            throw ValidationError("--seconds must be above 0 and at most --hold.")
        }
        guard (1...100_000).contains(tenants) else { throw ValidationError("--tenants must be from 1 to 100000.") }
    }

    func run() async throws {
        let figures = try await BenchServer.with(server, limit: .seconds(180 + hold + 4 * seconds)) { server in
            try await server.withDatabase("scriptorium_bench") { url in
                try await QueueStand.with(url) { stand in try await measure(stand, server) }
            }
        }
        say(format.json ? figures.json.text : figures.text)
    }

    private func measure(_ stand: QueueStand, _ server: BenchServer) async throws -> HeldFigures {
        let range = try await stand.makeTenants(tenants, quotas: tenants == 1 ? .withoutCap : .emptyObject)
        let traffic = QueueTraffic(stand, tenants: range, payloadBytes: 256, workers: 4)
        let (hold, seconds, tenants) = (hold, seconds, tenants)
        let figures = try await traffic.run {
            var figures = HeldFigures(hold: hold, tenants: tenants, load: LoadAverage.now)
            var processor = ProcessorTime(of: server.postmaster)
            // What is done for the first time is done here.
            try await Task.sleep(for: .seconds(min(2, seconds)))
            figures.before = try await Self.part(of: traffic, seconds, &processor)
            if !format.json { progress("holding a snapshot for \(Int(hold)) seconds") }
            figures.during = try await HeldSnapshot.whileHeld(in: stand.url, atMost: hold + 60) {
                try await Task.sleep(for: .seconds(hold - seconds))
                return try await Self.part(of: traffic, seconds, &processor)
            }
            // What has gathered is cleaned up now.
            try await Task.sleep(for: .seconds(min(5, seconds)))
            figures.after = try await Self.part(of: traffic, seconds, &processor)
            return figures
        }
        try await traffic.check()
        return figures
    }

    private static func part(
        of traffic: QueueTraffic, _ seconds: Double, _ processor: inout ProcessorTime
    ) async throws -> QueueFigures.Part {
        let clock = ContinuousClock()
        let (begin, count, time) = (clock.now, traffic.endedCount, processor.read())
        try await Task.sleep(for: .seconds(seconds))
        return QueueFigures.Part(
            jobs: traffic.endedCount - count, seconds: begin.duration(to: clock.now).seconds,
            server: processor.read() - time)
    }
}

/// A session that does nothing but look at how it was.
enum HeldSnapshot {
    private final class Release: Sendable {
        let isOver = Atomic(false)
    }

    static func whileHeld<T>(
        in url: String, atMost limit: Double, _ body: () async throws -> T
    ) async throws -> T {
        let database = Database(
            DatabaseOptions(url: url, connections: 1, applicationName: "bench-held"), logger: BenchPostgres.quiet)
        _ = try await database.system.execute(SystemStatements.repeatableRead)
        let release = Release()
        let (opened, open) = AsyncStream.makeStream(of: Void.self)
        let holding = Task {
            defer { open.finish() }
            try await database.system.transaction(limit: .seconds(limit)) { sql in
                _ = try sql.query(SystemStatements.hold)
                open.yield()
                while !release.isOver.load(ordering: .relaxed) { _ = try sql.query(SystemStatements.pause, 0.05) }
            }
        }
        let result: Result<T, any Error>
        do {
            for await _ in opened { break }
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        release.isOver.store(true, ordering: .relaxed)
        let held = await holding.result
        await database.close()
        let value = try result.get()
        do {
            try held.get()
        } catch {
            throw BenchFailure(description: "the snapshot was not held to the end: \(error)")
        }
        return value
    }
}
