import Core
import Glibc
import Logging

/// One life of `cell`, with all that it has started: a run directory, and a pool of processes for each language.
@PollThread
final class Household {
    /// One for each language that works.
    private(set) var pools: [ScriptLanguage: any ProcessPool] = [:]
    private(set) var reports: [InterpreterReport] = []

    private let options: ExecutionOptions
    private let logger: Logger
    private let directory: RunDirectory
    private let cellPath: String
    private let cell: Cell

    /// Makes the run directory and starts `cell`.
    /// - Throws: ``ExecutionError``
    init(_ options: ExecutionOptions, logger: Logger) throws(ExecutionError) {
        self.options = options
        self.logger = logger
        let uid = geteuid() == 0 ? options.scriptUID ?? ExecutionOptions.defaultScriptUID : nil
        let path: String
        if let configured = options.cellPath { path = configured } else { path = try Self.cellBesideUs() }
        guard access(path, X_OK) == 0 else { throw ExecutionError(.cell, "can not run \(path)", errno: errno) }
        cellPath = path
        directory = try RunDirectory(in: options.runDirectory ?? "/tmp", uid: uid)
        do throws(ExecutionError) {
            cell = try Cell(path: path, runDirectory: directory.path)
        } catch {
            for language in ScriptLanguage.allCases { unlink(directory.harness(of: language)) }
            rmdir(directory.path)
            throw error
        }
        cell.onLapse = { logger.error("the lease ran out: all processes that run scripts were ended") }
    }

    /// Every process is killed, and started anew, unless this is called again before `end`.
    func renewLease(until end: ContinuousClock.Instant) {
        cell.renewLease(for: ContinuousClock().now.duration(to: end))
    }

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
        // A cell that was killed could not clear up; its processes died with it.
        guard access(directory.path, F_OK) == 0 else { return }
        do throws(ExecutionError) {
            try await Cell(path: cellPath, runDirectory: directory.path).close()
        } catch {
            logger.warning("a run directory is left", metadata: ["path": "\(directory.path)", "reason": "\(error)"])
        }
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
            ? ParkedPool(interpreter, logger: logger)
            : ZygotePool(interpreter, forksPerZygote: options.forksPerZygote, logger: logger)
        if let problem = await pool.warmUp(within: .seconds(20)) {
            report.problem = "\(interpreter.path) can not run scripts: \(problem)."
            return (report, nil)
        }
        return (report, pool)
    }

    private static func cellBesideUs() throws(ExecutionError) -> String {
        guard let resolved = realpath("/proc/self/exe", nil) else {
            throw ExecutionError(.cell, "can not find this program's own file", errno: errno)
        }
        defer { free(resolved) }
        let path = String(cString: resolved)
        return "\(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])/cell"
    }
}
