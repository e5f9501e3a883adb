import ArgumentParser
import Core

/// `scriptorium bench claim`
struct ClaimBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claim",
        abstract: "Measures what a claim costs where very much waits.",
        discussion: """
            Fills a queue, and another one with a hundredth of the tenants and as many jobs for each; then claims from both \
            in turns. What is counted is the processor time of the server's process that serves the claims. Most of the time \
            goes into the filling.
            """)

    @Option(help: "How many jobs wait, at most 10000000.")
    var backlog = 1_000_000

    @Option(help: "How many tenants they belong to, at most 100000.")
    var tenants = 10_000

    @Option(help: "The part of the tenants, below 1, that have as many jobs running as they may.")
    var capped = 0.0

    @Option(help: "How many claims are made of each queue, at most 100000.")
    var claims = 200

    @OptionGroup var format: FormatOptions
    @OptionGroup var server: BenchDatabaseOptions

    func validate() throws {
        guard (1...10_000_000).contains(backlog) else {
            throw ValidationError("--backlog must be from 1 to 10000000.")
        }
        guard (1...100_000).contains(tenants) else { throw ValidationError("--tenants must be from 1 to 100000.") }
        guard backlog >= tenants else { throw ValidationError("--backlog must be at least --tenants.") }
        guard capped >= 0, capped < 1 else { throw ValidationError("--capped must be at least 0 and below 1.") }
        guard (1...100_000).contains(claims) else { throw ValidationError("--claims must be from 1 to 100000.") }
    }

    func run() async throws {
        let figures = try await BenchServer.with(server, limit: .seconds(3600)) { server in
            try await server.withDatabase("scriptorium_bench") { large in
                try await server.withDatabase("scriptorium_bench_small") { small in
                    try await QueueStand.with(large, connections: 1, isQuiet: true) { large in
                        try await QueueStand.with(small, connections: 1, isQuiet: true) { small in
                            try await measure(large: large, small: small)
                        }
                    }
                }
            }
        }
        say(format.json ? figures.json.text : figures.text)
    }

    /// How many claims are made before it is the other queue's turn.
    private static let block = 10

    private func measure(large: QueueStand, small: QueueStand) async throws -> ClaimFigures {
        var figures = ClaimFigures(
            backlog: backlog, tenants: tenants, capped: Int(capped * Double(tenants)), load: LoadAverage.now)
        let each = backlog / tenants
        let smallTenants = max(1, tenants / 100)
        let big = try await ClaimedBacklog(
            large, tenants: tenants, capped: figures.capped, each: each, say: format.json ? { _ in } : progress)
        let other = try await ClaimedBacklog(small, tenants: smallTenants, capped: 0, each: each) { _ in }
        // What is done for the first time is done here.
        for side in [big, other] { _ = try await side.block(Self.block) }
        for start in stride(from: 0, to: claims, by: Self.block) {
            let count = min(Self.block, claims - start)
            figures.large += try await big.block(count)
            figures.small += try await other.block(count)
        }
        figures.large.buffers = try await big.buffers()
        figures.small.buffers = try await other.buffers()
        return figures
    }
}
