import ArgumentParser

/// `scriptorium bench`
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures this installation's parts against what they are built on.",
        discussion: """
            Absolute figures depend on the machine and on what else it does; the ratios inside one run are what counts. Build
            for release first, and quote the median of three runs. A benchmark checks what it gets and fails where anything is
            wrong.
            """,
        subcommands: [
            ExecuteBench.self, QueueBench.self, ClaimBench.self, HeldBench.self, FairnessBench.self, InvokeBench.self,
            WaitBench.self, StartBench.self, ProcessPerCallCommand.self,
        ])
}

/// Why a benchmark has no figures.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String
}
