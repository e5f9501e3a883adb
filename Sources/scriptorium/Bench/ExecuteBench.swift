import ArgumentParser
import Core
import Execution
import Logging

/// `scriptorium bench execute`
struct ExecuteBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "execute",
        abstract: "Measures a script's way through its process: from the job to its result.",
        discussion: """
            Runs a script that only returns a value, again and again, as a worker does, but without a queue or a database, \
            and tells when its result is there (P50) and when its process is gone (ENDED, the median). \
            In turns with it, so that both see the same load: a process of the same interpreter that is started for each job, \
            under the same confinement (cold), and a process that only writes a byte into a pipe (fork).

            A Node.js process serves one job and is replaced: the callers wait until that is done before their next job. Its \
            start is in the CPU time per job all the same, which is that of all processes together.
            """)

    @Option(help: "The script's language: \(ScriptLanguage.allCases.map(\.rawValue).joined(separator: ", ")).")
    var language: ScriptLanguage

    @Flag(help: "Lets Node.js processes serve many jobs, as a service's 'config.reuse' does.")
    var reuse = false

    @Option(help: "How long to measure, at most 600 seconds.")
    var seconds = 10.0

    @Option(help: "How many jobs run at the same time, at most 64.")
    var concurrency = 1

    @OptionGroup var format: FormatOptions
    @OptionGroup var role: RoleOptions

    func validate() throws {
        guard seconds > 0, seconds <= 600 else {
            throw ValidationError("--seconds must be above 0 and at most 600.")
        }
        guard (1...64).contains(concurrency) else { throw ValidationError("--concurrency must be from 1 to 64.") }
        guard !reuse || language == .nodejs else {
            throw ValidationError("--reuse is for nodejs: only its processes can serve more than one job.")
        }
        guard language != .v8js || concurrency == 1 else {
            throw ValidationError("--concurrency must be 1 for v8js, of which one process is kept ready.")
        }
    }

    func run() async throws {
        let settings = try await Settings(file: role.config)
        var options = try settings.execution(isWorker: true)
        options.parked = max(options.parked, concurrency)
        let executor = ScriptExecutor(options, logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
        let rounds = ExecuteRounds(
            executor: executor, language: language, reuse: reuse, time: .seconds(seconds), concurrency: concurrency)
        let figures = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await executor.run() }
            let report = try await executor.whenReady().first { $0.language == language }
            if let problem = report?.problem { throw BenchFailure(description: problem) }
            let figures = try await rounds.figures()
            group.cancelAll()
            try await group.waitForAll()
            return figures
        }
        say(format.json ? figures.json.text : figures.text)
    }
}

extension ScriptLanguage: ExpressibleByArgument {}
