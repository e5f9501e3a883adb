import ArgumentParser
import Core
import Glibc

/// `scriptorium bench queue`
struct QueueBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Measures a job's way through the queue: written, claimed, finished with a stored result.",
        discussion: """
            Callers write jobs and workers claim and finish them, all in this process and by the calls that ingress and \
            worker make; no script runs. In turns with it, so that both see the same load, pgbench sends the same statements, \
            prepared and about as many jobs each: the ceiling. With several tenants, each has the usual limit of jobs at \
            the same time; a single one has none.
            """)

    @Option(help: "How many jobs, at most 10000000.")
    var jobs = 100_000

    @Option(help: "How many tenants they belong to, at most 100000.")
    var tenants = 1

    @Option(help: "How many workers, at most 64, of \(QueueTraffic.slots) slots each.")
    var workers = 4

    @Option(help: "How many bytes a request has, and a result, from \(BenchPayload.least) to 100000.")
    var payload = 256

    @Option(help: "How long the jobs may take, at most 3600 seconds; those that are left then are not begun.")
    var seconds = 20.0

    @OptionGroup var format: FormatOptions
    @OptionGroup var server: BenchDatabaseOptions

    func validate() throws {
        guard (1...10_000_000).contains(jobs) else { throw ValidationError("--jobs must be from 1 to 10000000.") }
        guard (1...100_000).contains(tenants) else { throw ValidationError("--tenants must be from 1 to 100000.") }
        guard (1...64).contains(workers) else { throw ValidationError("--workers must be from 1 to 64.") }
        guard (BenchPayload.least...100_000).contains(payload) else {
            throw ValidationError("--payload must be from \(BenchPayload.least) to 100000.")
        }
        guard seconds > 0, seconds <= 3600 else {
            throw ValidationError("--seconds must be above 0 and at most 3600.")
        }
    }

    func run() async throws {
        let figures = try await BenchServer.with(server, limit: .seconds(120 + 4 * seconds)) { server in
            try await server.withDatabase("scriptorium_bench") { url in
                try await QueueStand.with(url) { stand in try await measure(stand, server) }
            }
        }
        say(format.json ? figures.json.text : figures.text)
    }

    /// How often the jobs and the ceiling take turns.
    private static let rounds = 3

    private func measure(_ stand: QueueStand, _ server: BenchServer) async throws -> QueueFigures {
        var figures = QueueFigures(tenants: tenants, workers: workers, payload: payload, load: LoadAverage.now)
        let range = try await stand.makeTenants(tenants, quotas: tenants == 1 ? .withoutCap : .emptyObject)
        let traffic = QueueTraffic(stand, tenants: range, payloadBytes: payload, workers: workers)
        // What is done for the first time is done here.
        try await traffic.run(jobs: max(1, min(5000, jobs / 10)))
        var processor = ProcessorTime(of: server.postmaster)
        let clock = ContinuousClock()
        var left = jobs
        var ceiling: QueueCeiling?
        for round in 1...Self.rounds where left > 0 && figures.own.seconds < seconds {
            let count = (left + Self.rounds - round) / (Self.rounds - round + 1)
            left -= count
            let before = Reading(&processor, try await stand.logPosition())
            let begin = clock.now
            try await traffic.run(jobs: count)
            let wall = begin.duration(to: clock.now).seconds
            figures.own += Reading(&processor, try await stand.logPosition()).since(before, jobs: count, wall: wall)
            if ceiling == nil {
                figures.batch = try await traffic.meanBatch()
                let made = try await QueueCeiling(
                    stand, folder: server.folder, tenants: range, payloadBytes: payload, batch: figures.batch)
                figures.ceilingClients = try await made.bestClients(seconds: 1)
                ceiling = made
            }
            guard let ceiling else { continue }
            let log = Reading(&processor, try await stand.logPosition())
            let other = try await ceiling.round(clients: figures.ceilingClients, seconds: max(1, Int(wall.rounded())))
            figures.ceiling += Reading(&processor, try await stand.logPosition())
                .since(log, jobs: other.jobs, wall: other.seconds)
            figures.rounds += 1
        }
        try await ceiling?.end()
        try await traffic.check()
        return figures
    }

    /// What has been used up to a moment.
    private struct Reading {
        let server: Duration
        let client: Duration
        let log: Int64

        init(_ server: inout ProcessorTime, _ log: Int64) {
            self.server = server.read()
            client = ProcessorTime.alone(getpid()) ?? .zero
            self.log = log
        }

        func since(_ other: Reading, jobs: Int, wall: Double) -> QueueFigures.Part {
            QueueFigures.Part(
                jobs: jobs, seconds: wall, server: server - other.server, client: client - other.client,
                log: log - other.log)
        }
    }
}
