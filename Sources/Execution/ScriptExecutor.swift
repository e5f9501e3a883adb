import Core
import Logging
import ServiceLifecycle
import Synchronization

/// Runs scripts, each in a process of its own.
///
/// Everything is started by the small program `cell` (see `Sources/cell/main.c`). PHP and Python fork from zygotes that
/// have loaded everything; Node.js, which can not fork, has processes that were started ahead and serve one job each.
public final class ScriptExecutor: Service, Sendable {
    private let options: ExecutionOptions
    private let logger: Logger
    private let staff: Staff
    private let working = Mutex<[ScriptLanguage]>([])

    public init(_ options: ExecutionOptions, logger: Logger) {
        self.options = options
        self.logger = logger
        staff = Staff()
    }

    /// Owns the processes until graceful shutdown or cancellation, and replaces those that die. When it returns, none is
    /// left.
    /// - Throws: ``ExecutionError`` where the processes can not be started the first time.
    public func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await self.lives() }
            await staff.end(ExecutionError(.stopped, "the script executor has ended"))
        } catch {
            await staff.end(error)
            throw error
        }
    }

    /// Waits until every language was tried, and tells how it went. ``run()`` must be under way, or about to be.
    /// - Throws: `CancellationError`; ``ExecutionError`` where ``run()`` has ended.
    public func whenReady() async throws -> [InterpreterReport] {
        try await staff.reports()
    }

    /// The languages that work here; none before they were tried.
    public var languages: [ScriptLanguage] { working.withLock { $0 } }

    /// One life of `cell` after the other.
    private func lives() async throws {
        await live(in: try await Household(options, logger: logger))
        var backoff = Backoff()
        while !Task.isCancelled {
            logger.warning("the processes that run scripts have ended and are started anew")
            try? await Task.sleep(for: backoff.next())
            do {
                await live(in: try await Household(options, logger: logger))
            } catch {
                logger.error("scripts can not be run", metadata: ["reason": "\(error)"])
            }
        }
    }

    private func live(in household: Household) async {
        await household.open()
        if !Task.isCancelled {
            let reports = await household.reports
            working.withLock { $0 = reports.filter { $0.problem == nil }.map(\.language) }
            await staff.begin(household)
            await household.keep()
            await staff.pause()
        }
        await household.close()
    }

    /// Waits for a free process and hands the run over. Ends early where the task is cancelled.
    func place(_ run: Run, _ language: ScriptLanguage, within time: Duration) async {
        await staff.place(run, language, within: time)
    }
}

/// The household that is at work now, and those who wait for one.
@PollThread
private final class Staff {
    private var household: Household?
    private var failure: (any Error)?
    private let bell = Bell()

    nonisolated init() {}

    func begin(_ household: Household) {
        self.household = household
        bell.ring()
    }

    func pause() { household = nil }

    func end(_ failure: any Error) {
        household = nil
        self.failure = failure
        bell.ring()
    }

    func reports() async throws -> [InterpreterReport] {
        while true {
            try Task.checkCancellation()
            if let failure { throw failure }
            if let household { return household.reports }
            await bell.wait(atMost: .seconds(3600))
        }
    }

    func place(_ run: Run, _ language: ScriptLanguage, within time: Duration) async {
        let clock = ContinuousClock()
        let deadline = clock.now + time
        while !Task.isCancelled {
            if let failure { return run.lose("\(failure)") }
            let pool = household?.pools[language]
            if let household, pool == nil {
                let why = household.reports.first { $0.language == language }?.problem
                return run.lose("\(language.label) does not work here: \(why ?? "it was not tried")")
            }
            if let pool, await pool.start(run) { return }
            let left = deadline - clock.now
            guard left > .zero else {
                return run.lose("no \(language.label) process became free within \(time.inSeconds)")
            }
            await (pool?.bell ?? bell).wait(atMost: min(left, .seconds(1)))
        }
        run.cancel()
        run.lose("")
    }
}
