import ArgumentParser
import Core

/// `scriptorium bench fairness`
struct FairnessBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fairness",
        abstract: "Measures what tenants notice of each other.",
        discussion: """
            A worker whose slots each job holds for some milliseconds; no script runs. First nine tenants that ask for little, \
            alone, and then beside one that offers a hundred times its share: how long the nine wait for their results. Then \
            tenants of which each has more waiting than can be done: how evenly the worker serves them, also by their weights. \
            At last one that comes with a single job while a crowd of others has jobs waiting: how long until a worker has it.
            """)

    @Option(help: "How long each of the five parts takes, at most 600 seconds.")
    var seconds = 8.0

    @Option(help: "How many slots the worker has, at most 1000.")
    var slots = 16

    @Option(help: "For how many milliseconds a job holds its slot, at most 10000.")
    var milliseconds = 10.0

    @Option(help: "How many tenants have jobs waiting when one comes last, at most 100000.")
    var crowd = 1000

    @OptionGroup var format: FormatOptions
    @OptionGroup var server: BenchDatabaseOptions

    func validate() throws {
        guard seconds > 0, seconds <= 600 else { throw ValidationError("--seconds must be above 0 and at most 600.") }
        guard (1...1000).contains(slots) else { throw ValidationError("--slots must be from 1 to 1000.") }
        guard milliseconds >= 1, milliseconds <= 10_000 else {
            throw ValidationError("--milliseconds must be from 1 to 10000.")
        }
        guard (1...100_000).contains(crowd) else { throw ValidationError("--crowd must be from 1 to 100000.") }
    }

    func run() async throws {
        let figures = try await BenchServer.with(server, limit: .seconds(300 + 10 * seconds)) { server in
            var figures = FairnessFigures(
                seconds: seconds, slots: slots, milliseconds: milliseconds, crowd: crowd, load: LoadAverage.now)
            let plan = LightTenants(
                count: FairnessFigures.lightCount, perSecond: figures.lightPerSecond, seconds: seconds)
            figures.alone = try await inNewQueue(server) { crowd in try await crowd.serve(plan, heavyPerSecond: 0) }
            figures.company = try await inNewQueue(server) { [figures] crowd in
                try await crowd.serve(plan, heavyPerSecond: figures.heavyPerSecond)
            }
            figures.equals = try await inNewQueue(server) { crowd in
                try await crowd.drain(weights: FairnessFigures.equalWeights, for: seconds)
            }
            figures.weighted = try await inNewQueue(server) { crowd in
                try await crowd.drain(weights: FairnessFigures.unequalWeights, for: seconds)
            }
            figures.last = try await inNewQueue(server) { crowd in
                try await crowd.comeLast(crowd: self.crowd, for: seconds)
            }
            return figures
        }
        say(format.json ? figures.json.text : figures.text)
    }

    /// What one part leaves behind is not in the way of the next.
    private func inNewQueue<T: Sendable>(
        _ server: BenchServer, _ body: @escaping @Sendable (TenantCrowd) async throws -> T
    ) async throws -> T {
        try await server.withDatabase("scriptorium_bench") { [slots, milliseconds] url in
            try await QueueStand.with(url) { stand in
                try await body(TenantCrowd(stand, slots: slots, hold: .milliseconds(milliseconds)))
            }
        }
    }
}
