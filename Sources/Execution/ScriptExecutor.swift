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
    private let contained = Mutex<(tier: SandboxTier, notes: [String])>((.none, []))

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

    /// How well scripts are contained here; `none` before ``whenReady()`` returns.
    public var tier: SandboxTier { contained.withLock { $0.tier } }

    /// What each better tier lacks here, and what to do about it, a line each; nothing before ``whenReady()`` returns.
    public var sandboxNotes: [String] { contained.withLock { $0.notes } }

    /// Ends every script at `end`, also where this program stands still by then, unless this is called again before. What
    /// was running is `.lost` then, and nothing is begun until the next call. Without a first call scripts run under no
    /// lease.
    public func renewLease(until end: ContinuousClock.Instant) async {
        await staff.renewLease(until: end)
    }

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
            let (tier, notes) = await (household.tier, household.notes)
            contained.withLock { $0 = (tier, notes) }
            working.withLock { $0 = reports.filter { $0.problem == nil }.map(\.language) }
            await staff.begin(household)
            await household.keep()
            await staff.pause()
        }
        await household.close()
    }

    /// Starts a process for this run alone.
    func placeCold(_ run: Run, _ language: ScriptLanguage) async {
        await staff.placeCold(run, language)
    }

    /// How long a process takes that does nothing but answer through a pipe, to its end: what a benchmark compares with. Nil
    /// where none can be started.
    public func bareFork() async -> Duration? {
        await staff.bareFork()
    }

    /// Waits for a free process and hands the run over. Ends early where the task is cancelled.
    /// - Parameter isScript: whether it is more than a look at a source, and so needs the lease.
    func place(_ run: Run, _ language: ScriptLanguage, isScript: Bool, within time: Duration) async {
        await staff.place(run, language, isScript: isScript, within: time)
    }
}

/// The household that is at work now, and those who wait for one.
@PollThread
private final class Staff {
    private var household: Household?
    private var failure: (any Error)?
    /// Until when scripts may run; nil where there is no such time.
    private var leaseEnd: ContinuousClock.Instant?
    private let bell = Bell()

    nonisolated init() {}

    func begin(_ household: Household) {
        self.household = household
        if let leaseEnd { household.renewLease(until: leaseEnd) }
        bell.ring()
    }

    func pause() { household = nil }

    func renewLease(until end: ContinuousClock.Instant) {
        leaseEnd = end
        household?.renewLease(until: end)
    }

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

    func placeCold(_ run: Run, _ language: ScriptLanguage) async {
        guard let pool = household?.pools[language] else {
            return run.lose("\(language.label) does not work here, or not yet")
        }
        await ColdProcess.start(pool.interpreter, run)
    }

    func bareFork() async -> Duration? { await household?.forkBare() }

    func place(_ run: Run, _ language: ScriptLanguage, isScript: Bool, within time: Duration) async {
        let clock = ContinuousClock()
        let deadline = clock.now + time
        while !Task.isCancelled {
            if let failure { return run.lose("\(failure)") }
            // Those that were chosen before it ran out die with it; a later choice comes by here.
            if isScript, let leaseEnd, clock.now >= leaseEnd { return run.lose("the worker's lease has run out") }
            let pool = household?.pools[language]
            if let household, pool == nil {
                let why = household.reports.first { $0.language == language }?.problem
                return run.lose("\(language.label) does not work here: \(why ?? "it was not tried")")
            }
            switch await pool?.start(run) {
            case .done: return
            case .processLost: continue
            case .noneFree, nil: break
            }
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
