import Core
import Database
import Logging
import ServiceLifecycle

/// What the queue needs done from time to time. Every process does it, each after its own random pause; doing it twice at
/// once does no harm.
public struct QueueUpkeep: Service {
    private let queue: JobQueue
    private let logger: Logger
    private let snapshots: SnapshotWatch

    /// - Parameters:
    ///   - patience: from here on an open transaction is worth a warning.
    ///   - longestIdle: for so long a session of our own may leave a transaction open and do nothing.
    public init(
        queue: JobQueue, logger: Logger, patience: Duration = .seconds(5), longestIdle: Duration = .seconds(30)
    ) {
        self.queue = queue
        self.logger = logger
        snapshots = SnapshotWatch(
            database: queue.database, logger: logger, patience: patience, longestIdle: longestIdle)
    }

    /// Works until the service is stopped.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                // Somebody waits for it, and nothing else may delay it.
                group.addTask {
                    await repeating(every: 750...1250) { _ in try await reap(thoroughly: false) }
                }
                group.addTask { await repeating(every: 1500...2500, work) }
                group.addTask {
                    await repeating(every: 1500...2500) { _ in
                        // What slows everybody while it is there is looked for again soon where it came back at once.
                        while try await renewLanes() { try await Task.sleep(for: .milliseconds(500)) }
                    }
                }
                group.addTask { await repeating(every: 1500...2500) { _ in try await snapshots.look() } }
            }
        }
    }

    /// Does something again and again, with pauses of so many milliseconds. What fails is tried again the next time.
    private func repeating(every pause: ClosedRange<Int64>, _ body: (_ round: Int) async throws -> Void) async {
        var round = 0
        while !Task.isCancelled {
            do {
                try await body(round)
            } catch {
                logger.debug("upkeep not done", metadata: ["error": "\(error)"])
            }
            round += 1
            try? await Task.sleep(for: .milliseconds(Int64.random(in: pause)))
        }
    }

    /// Each kind of work has its round, so that one that fails does not keep the others from theirs.
    private func work(_ round: Int) async throws {
        // What a worker has claimed while it was given up is nobody's.
        if round % 3 == 0 { try await reap(thoroughly: true) }
        try await promote()
        try await tendLanes(thoroughly: round % 15 == 14)
        // Partitions are made days ahead: once in some minutes is plenty, also where one could not be made.
        if round % 200 == 0 { try await partition() }
        // A look through the whole queue, and things that nobody waits for.
        if round % 30 == 15 { try await expire() }
        if round % 300 == 150 { try await drop() }
    }

    /// Takes back what lost workers ran.
    private func reap(thoroughly: Bool) async throws {
        let rows = try await queue.database.system.execute(
            thoroughly ? SystemStatements.reap : SystemStatements.reapSilent,
            [Double(JobQueue.lease.milliseconds) / 1000])
        for row in rows {
            let (id, ingress, requeued) = try row.decode(JobID.self, Int64.self, Bool.self)
            QueueMetrics.attemptLost()
            if !requeued { QueueMetrics.ended(.failed) }
            logger.warning("worker lost", metadata: ["job_id": "\(id)", "requeued": "\(requeued)"])
            if requeued { queue.notifier.ready() } else { queue.notifier.done(id, ingress: ingress) }
        }
    }

    /// Counts anew what lost workers have left uncounted.
    public func tendLanes(thoroughly: Bool) async throws {
        let rows = try await queue.database.system.execute(SystemStatements.tendLanes, [thoroughly])
        if let mended = try rows.first?.decode(Int32.self), mended > 0 {
            logger.debug("lanes put right", metadata: ["count": "\(mended)"])
            queue.notifier.ready()
        }
    }

    private func renewLanes() async throws -> Bool {
        guard try await queue.database.system.execute(SystemStatements.renewLanes).first?.decode(Bool.self) == true
        else { return false }
        logger.debug("the table of lanes had grown far beyond what is in it, and was renewed")
        return true
    }

    private func promote() async throws {
        let rows = try await queue.database.system.execute(SystemStatements.promote, [Int32(1000)])
        if let moved = try rows.first?.decode(Int64.self), moved > 0 { queue.notifier.ready() }
    }

    /// Ends what was not started in time, and forgets old idempotency keys.
    public func expire() async throws {
        let most: Int32 = 1000
        var ended = most
        // Every claim passes over those that are left.
        while ended == most {
            let rows = try await queue.database.system.execute(SystemStatements.expire, [most])
            for row in rows {
                let (id, ingress) = try row.decode(JobID.self, Int64.self)
                QueueMetrics.ended(.expired)
                logger.warning("job expired", metadata: ["job_id": "\(id)"])
                queue.notifier.done(id, ingress: ingress)
            }
            ended = Int32(rows.count)
        }
        _ = try await queue.database.system.execute(SystemStatements.forgetKeys, [Int32(10_000)])
    }

    /// Drops the days that are past every retention, and what caps were then.
    public func drop() async throws {
        let longest = Quotas.ranges["retention_seconds"]?.upperBound ?? Quotas().retentionSeconds
        while true {
            // A day a transaction: the locks of a drop stop everybody until it ends.
            let day = try await queue.database.system.transaction(limit: .seconds(60)) { sql in
                try sql.query(SystemStatements.dropPartitions, Quotas().retentionSeconds, longest)
                    .first?.decode(String.self)
            }
            guard let day else { break }
            logger.info("jobs past their retention dropped", metadata: ["day": "\(day)"])
        }
        // Runs of a day can be as long.
        _ = try await queue.database.system.execute(SystemStatements.forgetCaps, [longest + 2 * 86_400])
    }

    private func partition() async throws {
        let rows = try await queue.database.system.execute(SystemStatements.ensurePartitions, [Int32(3)])
        if let missing = try rows.first?.decode(Int32.self), missing > 0 {
            logger.warning("partitions could not be made yet, trying again", metadata: ["missing": "\(missing)"])
        }
    }
}
