import Core
import Glibc
import Logging

/// One life of `cell`, with all that it has started: a run directory, and a pool of processes for each language.
@PollThread
final class Household {
    /// One for each language that works.
    private(set) var pools: [ScriptLanguage: any ProcessPool] = [:]
    private(set) var reports: [InterpreterReport] = []

    /// How its processes are held.
    var tier: SandboxTier { cell.sandbox.tier }
    /// What each better tier lacks, and what this one has.
    let notes: [String]

    private let options: ExecutionOptions
    private let logger: Logger
    private let directory: RunDirectory
    private let cell: Cell

    /// Starts `cell` with the best sandbox that can be had here.
    /// - Throws: ``ExecutionError``; with code `sandbox` where there is none.
    init(_ options: ExecutionOptions, logger: Logger) async throws(ExecutionError) {
        self.options = options
        self.logger = logger
        (cell, directory, notes) = try await SandboxSearch(options, logger: logger).find()
        cell.onLapse = { logger.error("the lease ran out: all processes that run scripts were ended") }
    }

    /// Every process is killed, and started anew, unless this is called again before `end`.
    func renewLease(until end: ContinuousClock.Instant) {
        cell.renewLease(for: ContinuousClock().now.duration(to: end))
    }

    func forkBare() async -> Duration? { await cell.forkBare() }

    /// Finds the interpreters and starts a first process of each, all at the same time.
    func open() async {
        await withTaskGroup(of: (InterpreterReport, (any ProcessPool)?).self) { group in
            for language in ScriptLanguage.allCases {
                group.addTask { await self.open(language) }
            }
            for await (report, pool) in group {
                reports.append(report)
                pools[report.language] = pool
            }
        }
        let order = ScriptLanguage.allCases
        reports.sort { (order.firstIndex(of: $0.language) ?? 0) < (order.firstIndex(of: $1.language) ?? 0) }
    }

    /// Keeps the processes alive until `cell` ends or the task is cancelled.
    func keep() async {
        await withTaskGroup { group in
            for (language, pool) in pools {
                let count = language.isRare ? 1 : language.isParked ? options.parked : options.zygotes
                group.addTask { await pool.keep(count) }
            }
            while !cell.hasEnded, !Task.isCancelled { await cell.bell.wait(atMost: .seconds(3600)) }
            group.cancelAll()
        }
    }

    /// Ends everything; what runs is lost. Returns when no process and no file is left.
    func close() async {
        pools = [:]
        await cell.close()
        await cell.sandbox.cgroups?.close()
        // A cell that was killed could not clear up; its processes died with it.
        directory.remove()
    }

    private func open(_ language: ScriptLanguage) async -> (InterpreterReport, (any ProcessPool)?) {
        let configured =
            switch language {
            case .nodejs, .v8js: options.nodePath
            case .php: options.phpPath
            case .python: options.python2Path
            case .python3: options.python3Path
            }
        let search = InterpreterSearch(language: language, configured: configured, cell: cell, directory: directory)
        var (interpreter, report) = await search.find()
        guard let interpreter else { return (report, nil) }
        let pool: any ProcessPool =
            language.isParked
            ? ParkedPool(interpreter, reuse: options.reuse, logger: logger)
            : ZygotePool(
                interpreter, forksPerZygote: options.forksPerZygote, sparesPerZygote: language.isRare ? 1 : 2,
                logger: logger)
        if let problem = await pool.warmUp(within: .seconds(20)) {
            report.problem = "\(interpreter.path) can not run scripts: \(problem)."
            return (report, nil)
        }
        return (report, pool)
    }
}
