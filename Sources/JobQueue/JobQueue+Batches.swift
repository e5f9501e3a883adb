import Core
import Database

extension JobQueue {
    /// Writes a batch. Its ids are ours, so a batch whose outcome is unknown is written again, and what is there is skipped.
    static func enqueue(
        _ jobs: [NewJob], _ database: Database, _ room: QueueRoom, _ notifier: QueueNotifier
    ) async throws -> [Enqueued] {
        let beginning = room.begin(jobs)
        let isFew = jobs.count <= QueueNotifier.fewJobs
        let rows = try await repeating { isRepeat in
            try await database.system.execute(
                SystemStatements.enqueue,
                [
                    SQLArray(jobs.map(\.id)), SQLArray(jobs.map(\.tenant.rawValue)), SQLArray(jobs.map(\.app)),
                    SQLArray(jobs.map(\.account)), SQLArray(jobs.map(\.service)), SQLArray(jobs.map(\.serviceID)),
                    SQLArray(jobs.map(\.version)), SQLArray(jobs.map(\.verb.rawValue)),
                    SQLArray(jobs.map(\.isAsynchronous)), SQLArray(jobs.map { Int16($0.maxAttempts) }),
                    SQLArray(jobs.map { Int32(clamping: $0.wall.milliseconds) }), SQLArray(jobs.map(\.ingress)),
                    SQLArray(jobs.map(\.payload)), SQLArray(jobs.map(\.summary)),
                    SQLArray(jobs.map { $0.language?.number ?? 0 }), SQLArray(jobs.map(\.retryOnError)),
                    SQLArray(jobs.map(\.runAt)), SQLArray(jobs.map(\.delayMilliseconds)),
                    SQLArray(jobs.map(\.startWithin.milliseconds)), SQLArray(jobs.map(\.retryOf)),
                    SQLArray(jobs.map(\.idempotency?.caller)), SQLArray(jobs.map(\.idempotency?.key)),
                    SQLArray(jobs.map(\.idempotency?.fingerprint)),
                    SQLArray(jobs.map { Int16(clamping: $0.priority) }), SQLArray(jobs.map(\.bounds.maxQueued)),
                    SQLArray(jobs.map(\.bounds.jobsPerDay)),
                    SQLArray(jobs.map { $0.bounds.cpuSecondsPerDay.map { Int64($0 * 1_000_000) } }), isRepeat,
                ]
            ) { _ in isFew ? QueueNotifier.ready : [] }
        }
        if !isFew { notifier.ready() }
        var repeated: [JobID: (JobID, [UInt8])] = [:]
        var refused: [JobID: (Int16, Int64)] = [:]
        var waiting: [JobID: Int64] = [:]
        for row in rows {
            let (id, existing, fingerprint, bound, inUse) = try row.decode(
                JobID.self, JobID?.self, [UInt8]?.self, Int16?.self, Int64?.self)
            if let existing, let fingerprint { repeated[id] = (existing, fingerprint) }
            guard let bound, let inUse else { continue }
            if bound <= 1 { waiting[id] = inUse }
            if bound >= 1 { refused[id] = (bound, inUse) }
        }
        for job in jobs {
            if let count = waiting[job.id] { room.counted(job.tenant, waiting: count, beginning) }
        }
        return jobs.map { job in
            if let (bound, inUse) = refused[job.id] { return .refused(job.bounds.refusal(bound, inUse)) }
            guard let (existing, fingerprint) = repeated[job.id] else { return .accepted }
            return .repeated(of: existing, sameRequest: fingerprint == job.idempotency?.fingerprint)
        }
    }

    /// Ends a batch of attempts; tells for each whether it was accepted, and wakes who waits for those.
    static func finish(
        _ attempts: [FinishedAttempt], _ database: Database, _ notifier: QueueNotifier, _ ended: EndedRuns
    ) async throws -> [Bool] {
        let isFew = attempts.count <= QueueNotifier.fewJobs
        // A job may be there twice, once for each epoch: only one of them holds it.
        var accepted: [WorkerID: [JobID: Int64]] = [:]
        // A process has one epoch at a time, two only around a fence.
        for (worker, batch) in Dictionary(grouping: attempts, by: \.worker) {
            // Most have no children, and so the shorter statement.
            let hasChildren = batch.contains { !$0.children.isEmpty }
            let ingresses = Dictionary(batch.map { ($0.job.id, $0.job.ingress) }) { $1 }
            let rows = try await repeating { isRepeat in
                let values = finishing(batch, of: worker, isRepeat) + (hasChildren ? children(of: batch) : [])
                return try await database.system.execute(
                    hasChildren ? SystemStatements.finishFamily : SystemStatements.finish, values
                ) { rows in
                    guard isFew else { return [] }
                    let done = try rows.map { try $0.decode(JobID.self, Int64.self).0 }
                    return QueueNotifier.done(Dictionary(grouping: done) { ingresses[$0] ?? 0 })
                }
            }
            for row in rows {
                let (id, generation) = try row.decode(JobID.self, Int64.self)
                accepted[worker, default: [:]][id] = generation
            }
        }
        for attempt in attempts {
            guard let generation = accepted[attempt.worker]?[attempt.job.id] else {
                QueueMetrics.resultRefused()
                continue
            }
            ended.add(attempt.job, generation: generation)
            QueueMetrics.ended(attempt.status)
            if !isFew { notifier.done(attempt.job.id, ingress: attempt.job.ingress) }
        }
        return attempts.map { accepted[$0.worker]?[$0.job.id] != nil }
    }

    private static func finishing(
        _ batch: [FinishedAttempt], of worker: WorkerID, _ isRepeat: Bool
    ) -> [any PostgresEncodable] {
        [
            SQLArray(batch.map { $0.countsAgainstBudget ? $0.job.tenant.rawValue : nil }), worker.rawValue,
            SQLArray(batch.map(\.job.id)), SQLArray(batch.map { Int16($0.job.attempt) }),
            SQLArray(batch.map { StoredResult.number($0.status) }), SQLArray(batch.map(\.outcome)),
            SQLArray(batch.map(\.job.createdAt)),
        ] + AttemptUsage.columns(batch.map(\.usage)) + [isRepeat]
    }

    private static func children(of batch: [FinishedAttempt]) -> [any PostgresEncodable] {
        let now = ContinuousClock.now
        let children = batch.flatMap(\.children)
        return [
            SQLArray(children.map(\.id)),
            SQLArray(batch.flatMap { attempt in attempt.children.map { _ in attempt.job.id } }),
            SQLArray(batch.flatMap { attempt in attempt.children.map { _ in attempt.job.createdAt } }),
            SQLArray(children.map(\.parent)), SQLArray(children.map(\.service)), SQLArray(children.map(\.serviceID)),
            SQLArray(children.map(\.version)), SQLArray(children.map(\.verb.rawValue)),
            SQLArray(children.map { Int32(clamping: $0.wall.milliseconds) }),
            SQLArray(children.map { $0.began.duration(to: now).microseconds }),
            SQLArray(children.map { $0.ended.duration(to: now).microseconds }),
            SQLArray(children.map { StoredResult.number($0.status) }),
        ] + AttemptUsage.columns(children.map(\.usage)) + [
            SQLArray(children.map(\.payload)), SQLArray(children.map(\.summary)), SQLArray(children.map(\.outcome)),
            SQLArray(children.map(\.lineCount)),
            SQLArray(children.map(\.lines)),
        ]
    }

    /// For so long a write is begun again: what is asked for must have its answer soon.
    private static let repeatLimit = Duration.seconds(4)

    /// Runs a write that may be repeated, again while its outcome is unknown because the connection broke.
    private static func repeating<T>(_ write: (_ isRepeat: Bool) async throws -> T) async throws -> T {
        var tries = 1
        let begun = ContinuousClock.now
        while true {
            do {
                return try await write(tries > 1)
            } catch let error as DatabaseError
                where error.code == .connectionLost && tries < 5 && begun.duration(to: .now) < repeatLimit
            {
                tries += 1
            }
        }
    }
}

extension QueueBounds {
    /// - Parameter bound: as `enqueue_3` names it.
    fileprivate func refusal(_ bound: Int16, _ inUse: Int64) -> QueueRefusal {
        switch bound {
        case 1: QueueRefusal(kind: .queued, limit: Double(maxQueued ?? 0), inUse: Double(inUse))
        case 2: QueueRefusal(kind: .jobsPerDay, limit: Double(jobsPerDay ?? 0), inUse: Double(inUse))
        default:
            QueueRefusal(
                kind: .cpuSecondsPerDay, limit: cpuSecondsPerDay ?? 0, inUse: Double(inUse) / 1_000_000)
        }
    }
}

extension NewJob {
    fileprivate var runAt: Timestamp? {
        if case .at(let moment) = start { moment } else { nil }
    }

    fileprivate var delayMilliseconds: Int64? {
        if case .after(let delay) = start { delay.milliseconds } else { nil }
    }
}
