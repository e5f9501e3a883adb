import Core
import JobQueue
import Logging
import Platform
import ServiceLifecycle
import Synchronization

/// Claims jobs, runs them, and writes their ends, as many at once as it has slots.
///
/// It holds its jobs under a lease: where the lease can not be renewed its scripts end before another worker can take the
/// jobs over, and a worker that has been given up starts again under a new number.
public final class Worker: Service, Sendable {
    private let options: WorkerOptions
    private let queue: JobQueue
    private let runner: JobRunner
    private let platform: Platform
    private let logger: Logger
    private let clock = ContinuousClock()
    private let state: Mutex<State>

    private struct State {
        /// The jobs in this worker's hands.
        var held: [JobID: Hold] = [:]
        var isStopping = false
        /// When the last heartbeat that arrived was sent.
        var renewed: ContinuousClock.Instant
        /// Something may have changed: a job is ready, a slot is free, or it is time to look.
        var signal: AsyncStream<Void>.Continuation?
        /// How many jobs have ended here that no claim has told of yet.
        var untold = 0
        /// Whether somebody has said that there may be jobs, since the last claim began.
        var isTold = false
        /// Whether an end is likely to have made room for a job that waits.
        var endsGiveWork = false
        /// Whether an end is about to make the claiming look.
        var isPutOff = false
    }

    /// One attempt in this worker's hands. The next one of the same job may begin here before this one is let go.
    private struct Hold {
        let attempt: Int
        let isAsynchronous: Bool
        /// The means to stop it.
        let stopper: AsyncStream<Never>.Continuation
    }

    /// How often a worker looks for jobs that nobody told it of.
    private static let pollInterval = Duration.milliseconds(500)
    /// How long the queue need not know of an end that nobody waits for: who calls again at once has called again by then.
    private static let endPause = Duration.milliseconds(10)
    /// How long after its last heartbeat a worker stops its scripts: before the lease is over, with a margin for the killing.
    private static let patience = JobQueue.lease - .seconds(3)
    /// How long after it `cell` ends them where the worker has not: it may stand still.
    private static let longPatience = JobQueue.lease - .seconds(2)

    public init(options: WorkerOptions, platform: Platform, logger: Logger) {
        self.options = options
        self.queue = platform.queue
        self.platform = platform
        self.logger = logger
        self.runner = JobRunner(platform: platform, logger: logger)
        state = Mutex(State(renewed: clock.now))
    }

    /// Works until the service is stopped; then takes nothing new, gives what runs the grace period, and hands back what
    /// is left, which costs those jobs no attempt.
    public func run() async throws {
        WorkerMetrics.begin()
        await withGracefulShutdownHandler {
            while !isStopping, !Task.isCancelled {
                guard let epoch = await register() else { break }
                await work(epoch)
            }
        } onGracefulShutdown: {
            self.state.withLock { $0.isStopping = true }
            self.look()
        }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Under the lock, so that the last word is the right one.
    private func note(_ state: borrowing State) {
        WorkerMetrics.slots(options.slots, busy: state.held.count)
    }

    /// Makes the claiming look again.
    private func look() {
        let signal = state.withLock { state in
            state.isTold = true
            return state.signal
        }
        _ = signal?.yield()
    }

    /// Makes the claiming look again because a job has ended here: at once where it is likely that another one has waited for
    /// that. Else the next look, for whatever reason, tells the queue of the end, and that is cheaper than one of its own.
    private func lookAfterEnd() async {
        let isAlone = state.withLock { state in
            state.untold += 1
            if state.endsGiveWork || state.isStopping || state.isPutOff { return false }
            state.isPutOff = true
            return true
        }
        if isAlone {
            try? await Task.sleep(for: Self.endPause)
        }
        let signal = state.withLock { state in
            if isAlone { state.isPutOff = false }
            let isDue = state.untold > 0 && (isAlone || !state.isPutOff)
            return isDue ? state.signal : nil
        }
        _ = signal?.yield()
    }

    /// A number for this worker, as soon as the database gives one; nil when the worker is stopped before.
    private func register() async -> WorkerID? {
        while !isStopping, !Task.isCancelled {
            let asked = clock.now
            do {
                let epoch = try await queue.register(
                    worker: options.name, slots: options.slots, tier: platform.tier)
                await renew(asked)
                logger.info(
                    "worker registered",
                    metadata: ["worker": "\(epoch.rawValue)", "tier": "\(platform.tier.rawValue)"])
                return epoch
            } catch {
                logger.warning("worker not registered, trying again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(1))
            }
        }
        return nil
    }

    /// One epoch: from a registration to the loss of its lease, or to the worker's stop.
    private func work(_ epoch: WorkerID) async {
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { state in
            state.held = [:]
            state.signal = signal
            note(state)
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.heartbeat(epoch) }
            group.addTask { await self.watchLease() }
            group.addTask { await self.claimAndRun(epoch, signals) }
            group.addTask {
                // Where the stream ends, with the listener, the polling goes on.
                while !Task.isCancelled {
                    for await _ in self.queue.wakeups() { self.look() }
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    for await _ in self.queue.cancellations() { await self.stopLost(epoch) }
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.pollInterval)
                    self.look()
                    await self.stopLost(epoch)
                }
            }
            // Either the lease is lost, which cancels the scripts, or the worker was stopped and is drained.
            await group.next()
            group.cancelAll()
        }
        guard isStopping else { return }
        do {
            try await queue.unregister(epoch)
        } catch {
            logger.warning("worker not unregistered", metadata: ["error": "\(error)"])
        }
    }

    /// Stops the scripts of jobs that are no longer this worker's: cancelled ones.
    private func stopLost(_ epoch: WorkerID) async {
        let held = state.withLock { $0.held }
        do {
            for id in try await queue.lost(of: Array(held.keys), by: epoch) {
                logger.info("job was taken away: stopping its script", metadata: ["job_id": "\(id)"])
                held[id]?.stopper.finish()
            }
        } catch {
            logger.debug("runs not checked", metadata: ["error": "\(error)"])
        }
    }

    /// Renews the lease; returns when the worker has been given up.
    private func heartbeat(_ epoch: WorkerID) async {
        while !Task.isCancelled {
            let asked = clock.now
            var pause = JobQueue.heartbeatInterval
            do {
                guard try await queue.heartbeat(epoch, holding: state.withLock { Array($0.held.keys) }) else {
                    WorkerMetrics.leaseLost(.givenUp)
                    logger.error("worker was given up: stopping its scripts and registering anew")
                    return
                }
                await renew(asked)
            } catch {
                logger.warning("heartbeat failed", metadata: ["error": "\(error)"])
                pause = .seconds(1)
            }
            try? await Task.sleep(for: pause)
        }
    }

    /// The lease holds from when it was asked for.
    private func renew(_ asked: ContinuousClock.Instant) async {
        state.withLock { $0.renewed = asked }
        await platform.renewLease(until: asked + Self.longPatience)
    }

    /// Returns when the lease was not renewed in time, whatever the heartbeat is waiting for.
    private func watchLease() async {
        while !Task.isCancelled {
            let limit = state.withLock { $0.renewed } + Self.patience
            guard clock.now < limit else {
                WorkerMetrics.leaseLost(.notRenewed)
                logger.error("the lease can not be renewed: stopping the scripts before it runs out")
                return
            }
            try? await Task.sleep(until: limit, clock: .continuous)
        }
    }

    /// Claims while there are free slots; returns when the worker is stopped and nothing runs any more.
    private func claimAndRun(_ epoch: WorkerID, _ signals: AsyncStream<Void>) async {
        let (held, hold) = AsyncStream.makeStream(of: HeldJob.self)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { jobs in
                    for await job in held {
                        jobs.addTask {
                            await self.run(job, epoch)
                            self.letGo(job.job)
                            await self.lookAfterEnd()
                        }
                    }
                }
            }
            group.addTask {
                await self.claim(epoch, signals, into: hold)
                hold.finish()
            }
            await group.next()
            guard self.isStopping else {
                group.cancelAll()
                return
            }
            group.addTask {
                try? await Task.sleep(for: self.options.grace)
            }
            // Either everything has run to its end, or the grace is over: then the scripts are stopped and handed back.
            await group.next()
            group.cancelAll()
        }
    }

    private func letGo(_ job: ClaimedJob) {
        state.withLock { state in
            if state.held[job.id]?.attempt == job.attempt { state.held[job.id] = nil }
            note(state)
        }
    }

    /// A job and what tells that it is to be stopped: the stream's end.
    private struct HeldJob: Sendable {
        let job: ClaimedJob
        let stop: AsyncStream<Never>
    }

    /// Runs a job until it ends or is to be stopped.
    private func run(_ held: HeldJob, _ epoch: WorkerID) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.runner.run(held.job, epoch, isStopping: { self.isStopping }) }
            group.addTask { for await _ in held.stop {} }
            await group.next()
            group.cancelAll()
        }
    }

    private func claim(
        _ epoch: WorkerID, _ signals: AsyncStream<Void>, into hold: AsyncStream<HeldJob>.Continuation
    ) async {
        var waits = signals.makeAsyncIterator()
        while !isStopping, !Task.isCancelled {
            let (free, freeAsynchronous, isForEnds) = state.withLock { state in
                let asynchronous = state.held.values.count(where: \.isAsynchronous)
                let free = options.slots - state.held.count
                defer { if free > 0 { (state.isTold, state.untold) = (false, 0) } }
                return (free, options.asynchronousSlots - asynchronous, !state.isTold && state.untold > 0)
            }
            if free > 0 {
                do {
                    let jobs = try await queue.claim(
                        epoch, want: free, asynchronous: max(0, freeAsynchronous), languages: platform.languages,
                        tier: platform.tier)
                    for job in jobs {
                        let (stop, stopper) = AsyncStream.makeStream(of: Never.self)
                        state.withLock { state in
                            state.held[job.id] = Hold(
                                attempt: job.attempt, isAsynchronous: job.isAsynchronous, stopper: stopper)
                            note(state)
                        }
                        hold.yield(HeldJob(job: job, stop: stop))
                    }
                    // A full hand means that there may be more; who has no slot left waits for one.
                    let isFull = jobs.count == free
                    state.withLock { $0.endsGiveWork = isFull || isForEnds && !jobs.isEmpty }
                    if isFull { continue }
                } catch {
                    logger.warning("nothing claimed", metadata: ["error": "\(error)"])
                }
            }
            guard await waits.next() != nil else { return }
        }
    }
}
