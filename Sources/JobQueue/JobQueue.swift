import Core
import Database
import Logging
import ServiceLifecycle

/// The queue in PostgreSQL: what is accepted is written durably before anybody is told, each job is claimed by one worker
/// at a time, and a result is stored once.
public final class JobQueue: Service, Sendable {
    let database: Database
    let notifier: QueueNotifier
    private let listener: Listener
    private let enqueues: Batcher<NewJob, Enqueued>
    private let finishes: Batcher<FinishedAttempt, Bool>
    /// Ends with children, which are large: those without do not wait in their statements.
    private let families: Batcher<FinishedAttempt, Bool>
    private let logs: Batcher<LogPiece, Void>
    private let ended: EndedRuns
    private let room: QueueRoom

    /// A worker that has been silent for longer is given up.
    public static let lease = Duration.seconds(15)
    /// How often a worker says that it lives.
    public static let heartbeatInterval = Duration.seconds(5)

    static let readyChannel = "scriptorium_ready"
    static let cancelChannel = "scriptorium_cancel"
    static func doneChannel(_ ingress: Int64) -> String { "scriptorium_done_\(ingress)" }

    public init(database: Database, listener: Listener, logger: Logger) {
        self.database = database
        self.listener = listener
        let notifier = QueueNotifier(database: database, logger: logger)
        self.notifier = notifier
        let ended = EndedRuns()
        self.ended = ended
        let room = QueueRoom()
        self.room = room
        enqueues = Batcher(size: { $0.payload.count + $0.summary.count + 200 }) { jobs in
            let outcomes = try await Self.enqueue(jobs, database, room, notifier)
            QueueMetrics.accepted(jobs, outcomes)
            return outcomes
        }
        finishes = Batcher(size: { ($0.outcome?.count ?? 0) + 200 }) { attempts in
            try await Self.finish(attempts, database, notifier, ended)
        }
        families = Batcher(
            size: { attempt in attempt.children.reduce((attempt.outcome?.count ?? 0) + 200) { $0 + $1.size } }
        ) { attempts in
            try await Self.finish(attempts, database, notifier, ended)
        }
        logs = Batcher(size: { $0.lines.count + 100 }) { pieces in
            _ = try await database.system.execute(
                SystemStatements.appendLogs,
                [
                    SQLArray(pieces.map(\.job)), SQLArray(pieces.map { Int16($0.attempt) }),
                    SQLArray(pieces.map(\.worker.rawValue)), SQLArray(pieces.map(\.piece)),
                    SQLArray(pieces.map(\.lineCount)), SQLArray(pieces.map(\.lines)),
                ])
            return pieces.map { _ in }
        }
    }

    /// Sends the wake-ups until the service is stopped.
    public func run() async throws {
        QueueMetrics.begin()
        await cancelWhenGracefulShutdown { await self.notifier.run() }
    }

    /// Writes a job, unless its idempotency key has one or a quota refuses it; it is durable when the call returns.
    /// - Throws: `DatabaseError`; then the job may have been written, and nobody waits for it.
    @discardableResult
    public func enqueue(_ job: NewJob) async throws -> Enqueued {
        var job = job
        switch room.enter(job) {
        case .count: break
        case .accept: job.bounds.maxQueued = nil
        case .refuse(let refusal): return .refused(refusal)
        }
        defer { room.leave(job.tenant) }
        return try await enqueues.submit(job)
    }

    /// Ends an attempt and stores the job's result. False where the attempt no longer held its job: another one has the
    /// word.
    public func finish(_ attempt: FinishedAttempt) async throws -> Bool {
        try await attempt.children.isEmpty ? finishes.submit(attempt) : families.submit(attempt)
    }

    /// Stores a piece of a script's output.
    public func append(_ piece: LogPiece) async throws {
        try await logs.submit(piece)
    }

    /// Up to `want` jobs for a worker, of languages that it has: fairly over the tenants, and within their caps. It also tells
    /// the queue which of this process's runs have ended, so that others of their tenants can begin; with a `want` of 0 it
    /// does nothing else.
    /// - Parameters:
    ///   - asynchronous: how many of them nobody may wait for, at most; nil for as many as are wanted.
    ///   - tier: how well it contains scripts now. What demands more is left to others, and so is what demands more than the
    ///     worker was registered with.
    public func claim(
        _ worker: WorkerID, want: Int, asynchronous: Int? = nil, languages: some Collection<ScriptLanguage>,
        tier: SandboxTier
    ) async throws -> [ClaimedJob] {
        let ended = ended.take()
        if want == 0, ended.tenants.isEmpty { return [] }
        let jobs: [ClaimedJob]
        do {
            jobs = try await claim(worker, want, min(want, asynchronous ?? want), languages, tier, ended)
        } catch {
            if Self.hasDoneNothing(error) { self.ended.putBack(ended) }
            throw error
        }
        guard jobs.isEmpty, want > 0, !ended.tenants.isEmpty else { return jobs }
        // What others held at that moment is waited for only by who has told all.
        return try await claim(worker, want, min(want, asynchronous ?? want), languages, tier, EndedRuns().take())
    }

    private func claim(
        _ worker: WorkerID, _ want: Int, _ asynchronous: Int, _ languages: some Collection<ScriptLanguage>,
        _ tier: SandboxTier, _ ended: EndedRuns.Counts
    ) async throws -> [ClaimedJob] {
        let asked = ContinuousClock.now
        let jobs = try await database.system.execute(
            SystemStatements.claim,
            [
                worker.rawValue, Int32(want), Int32(asynchronous), SQLArray(languages.map(\.number)),
                tier.number, SQLArray(ended.tenants), SQLArray(ended.services), SQLArray(ended.counts),
                SQLArray(ended.generations),
            ]
        )
        .map(ClaimedJob.init)
        QueueMetrics.claimed(jobs.count, in: asked.duration(to: .now))
        return jobs
    }

    /// Whether it is certain that a statement that failed has changed nothing.
    private static func hasDoneNothing(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return error is CancellationError }
        // A server that ends a session (57P…) may have committed before.
        return error.code == .unavailable || error.sqlState.map { !$0.hasPrefix("57P") } ?? false
    }

    /// Puts back jobs that a worker did not end; the next run counts as the same attempt.
    public func release(_ jobs: [JobID], from worker: WorkerID) async throws {
        guard !jobs.isEmpty else { return }
        _ = try await database.system.execute(SystemStatements.release, [worker.rawValue, SQLArray(jobs), false])
        notifier.ready()
    }

    /// Ends an attempt that is to be tried again, after a pause that doubles each time.
    /// - Parameters:
    ///   - lost: whether the attempt failed by our fault and not by the script's.
    ///   - countsAgainstBudget: whether the tenant has a daily budget of processor time.
    /// - Returns: when the next attempt begins; nil where this one no longer held its job.
    public func retry(
        _ job: ClaimedJob, from worker: WorkerID, lost: Bool, usage: AttemptUsage, countsAgainstBudget: Bool = false
    ) async throws -> Timestamp? {
        let next = try await database.system.execute(
            SystemStatements.retry,
            [
                countsAgainstBudget ? job.tenant.rawValue : nil, worker.rawValue, job.id, Int16(job.attempt),
                Int16(lost ? 5 : 2),
            ] + usage.stored
        ).first?.decode(Timestamp?.self)
        if next == nil { QueueMetrics.resultRefused() }
        return next
    }

    /// Notes what a run has used that was given up, because its job was cancelled or taken over.
    /// - Parameter countsAgainstBudget: whether the tenant has a daily budget of processor time.
    public func settle(
        _ job: ClaimedJob, from worker: WorkerID, usage: AttemptUsage, countsAgainstBudget: Bool = false
    ) async throws {
        _ = try await database.system.execute(
            SystemStatements.settle,
            [
                countsAgainstBudget ? job.tenant.rawValue : nil, worker.rawValue, job.id, Int16(job.attempt),
                job.createdAt,
            ] + usage.stored)
    }

    /// Which of the jobs that a worker believes it runs are no longer its own: cancelled, or taken over.
    public func lost(of jobs: [JobID], by worker: WorkerID) async throws -> [JobID] {
        guard !jobs.isEmpty else { return [] }
        return try await database.system.execute(SystemStatements.lostRuns, [worker.rawValue, SQLArray(jobs)])
            .map { try $0.decode(JobID.self) }
    }

    /// Says that a worker is there; its number is its epoch.
    /// - Parameter tier: how well it contains scripts.
    public func register(worker name: String, slots: Int, tier: SandboxTier) async throws -> WorkerID {
        let rows = try await database.system.transaction { sql in
            try sql.query(SystemStatements.register, name, Int32(slots), tier.number)
        }
        guard let row = rows.first else { throw ServiceError(503, "The worker could not be registered.") }
        return WorkerID(rawValue: try row.decode(Int64.self))
    }

    /// Says that a worker lives, and which jobs it holds; others that are booked on it for long go back into the queue.
    /// - Returns: false where it has been given up, and must stop what it runs.
    public func heartbeat(_ worker: WorkerID, holding jobs: [JobID]) async throws -> Bool {
        let rows = try await database.system.execute(
            SystemStatements.heartbeat, [worker.rawValue, SQLArray(jobs)])
        guard let returned = try rows.first?.decode(Int64?.self) else { return false }
        if returned > 0 { notifier.ready() }
        return true
    }

    /// Says that a worker is gone and runs nothing any more.
    public func unregister(_ worker: WorkerID) async throws {
        _ = try await claim(worker, want: 0, languages: [], tier: .none)
        try await database.system.transaction { sql in
            _ = try sql.execute(SystemStatements.unregister, worker.rawValue)
        }
    }

    /// Says when there may be something to claim: at every reconnect and every notification.
    public func wakeups() -> AsyncStream<Void> { signals(of: Self.readyChannel) }

    /// Says when jobs may have been cancelled: at every reconnect and every notification.
    public func cancellations() -> AsyncStream<Void> { signals(of: Self.cancelChannel) }

    private func signals(of channel: String) -> AsyncStream<Void> {
        let events = listener.listen(channel)
        return AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            // Owned by the stream: it ends with its reader.
            let task = Task {
                for await _ in events { continuation.yield() }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Those who wait for ends in this process.
    public func makeWaiters(logger: Logger) async throws -> JobWaiters {
        let rows = try await database.system.transaction { try $0.query(SystemStatements.nextIngress) }
        guard let number = try rows.first?.decode(Int64.self) else {
            throw ServiceError(503, "The ingress could not be registered.")
        }
        return JobWaiters(ingress: number, database: database, listener: listener, logger: logger)
    }

    /// How far this process's clock is ahead of the database's.
    /// - Parameter now: microseconds since 1970 by this process's clock, asked for right around the query.
    public func clockSkew(now: @Sendable () -> Int64) async throws -> Duration {
        let before = now()
        let rows = try await database.system.read { try $0.query(SystemStatements.now) }
        let middle = (before + now()) / 2
        guard let theirs = try rows.first?.decode(Timestamp.self) else { return .zero }
        return .microseconds(middle - theirs.microseconds)
    }
}
