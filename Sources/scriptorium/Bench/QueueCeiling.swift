import Core
import Database
import FoundationEssentials
import JobQueue

/// The same statements, sent by `pgbench`: what the database can do where its client costs next to nothing.
///
/// Each of its connections writes a batch, claims one and finishes what it got; then it writes as many again.
struct QueueCeiling: Sendable {
    private let stand: QueueStand
    private let program: LoadProgram
    private let worker: WorkerID
    private let batch: Int
    private let script: String

    /// - Parameter batch: how many jobs each statement is about.
    init(
        _ stand: QueueStand, folder: String, tenants: ClosedRange<Int64>, payloadBytes: Int, batch: Int
    ) async throws {
        self.stand = stand
        self.batch = batch
        program = try LoadProgram(url: stand.url, folder: folder)
        worker = try await stand.queue.register(worker: "ceiling", slots: batch, tier: .a)
        script = try Self.script(
            worker, tenants: tenants, payload: BenchPayload(bytes: payloadBytes).literal, batch: batch)
    }

    private static func script(
        _ worker: WorkerID, tenants: ClosedRange<Int64>, payload: String, batch: Int
    ) throws -> String {
        let enqueue = try StatementFilling.fill(
            JobQueue.Texts.enqueue,
            StatementFilling.enqueued(
                count: ":want::int", tenant: "\(tenants.lowerBound) + (:first::bigint + g) % \(tenants.count)",
                payload: payload))
        let claim = try StatementFilling.fill(
            JobQueue.Texts.claim,
            StatementFilling.claimed(
                worker, want: batch,
                ended: StatementFilling.Ended(
                    tenants: ":ended::bigint[]", counts: ":counts::integer[]", generation: ":generation::bigint")))
        let finish = try StatementFilling.fill(
            JobQueue.Texts.finish, StatementFilling.finished(worker, count: ":got::int", response: payload))
        return """
            \\set want :got
            \\set first random(0, \(tenants.count - 1))
            \\if :want > 0
            \(enqueue);
            \\endif
            select count(*) as got, array_agg(id) as ids, array_agg(attempt) as attempts, array_agg(created_at) as created,
                array_agg(tenant) as tenants, max(get_byte(request, 0)) as byte, '{}' as ended, '{}' as counts
            from (\(claim)) as c \\gset
            \\if :got > 0
            select e.ended, e.counts, f.generation
            from (select min(generation) as generation from (\(finish)) as f) as f
            cross join (
                select array_agg(t.tenant) as ended, array_agg(t.n) as counts
                from (select t as tenant, count(*) as n from unnest(:tenants::bigint[]) as t group by t) as t
            ) as e \\gset
            \\endif

            """
    }

    struct Round: Sendable {
        var jobs = 0
        var seconds = 0.0
    }

    /// How many connections bring the most.
    func bestClients(seconds: Int) async throws -> Int {
        var best = (clients: 1, perSecond: 0.0)
        for clients in [1, 2, 4, 8] {
            let round = try await round(clients: clients, seconds: seconds)
            let perSecond = Double(round.jobs) / max(round.seconds, 1e-6)
            if perSecond > best.perSecond { best = (clients, perSecond) }
        }
        return best.clients
    }

    /// Sends for some seconds. What waits in the queue after that is nobody's any more, and goes.
    func round(clients: Int, seconds: Int) async throws -> Round {
        let before = try await answered()
        let clock = ContinuousClock()
        let begin = clock.now
        let said = try await whileRunning([
            {
                while true {
                    guard try await stand.queue.heartbeat(worker, holding: []) else {
                        throw BenchFailure(description: "the ceiling's worker was given up: the machine is too busy")
                    }
                    try await Task.sleep(for: JobQueue.heartbeatInterval)
                }
            }
        ]) {
            try await program.run(
                script, variables: ["got": "\(2 * batch)", "ended": "{}", "counts": "{}", "generation": "0"],
                clients: clients, seconds: seconds)
        }
        let wall = begin.duration(to: clock.now).seconds
        var round = Round(jobs: Int(try await answered() - before), seconds: wall)
        // Its own count leaves the connecting out.
        if let transactions = Self.number(in: said, after: "number of transactions actually processed: "),
            let rate = Self.number(in: said, after: "\ntps = "), rate > 0
        {
            round.seconds = min(wall, transactions / rate)
        }
        guard round.jobs > 0 else {
            throw BenchFailure(description: "pgbench has finished no job: \(said.suffix(500))")
        }
        try await empty()
        return round
    }

    private static func number(in text: String, after mark: String) -> Double? {
        text.firstRange(of: mark).flatMap { range in
            Double(text[range.upperBound...].prefix { $0.isNumber || $0 == "." })
        }
    }

    private func answered() async throws -> Int64 {
        let rows = try await stand.database.system.read(limit: .seconds(60)) { [worker] sql in
            try sql.query(SystemStatements.answered, worker.rawValue)
        }
        return try rows.first?.decode(Int64.self) ?? 0
    }

    private func empty() async throws {
        var idle = 0
        while idle < 3 {
            let jobs = try await stand.queue.claim(worker, want: 500, languages: [.python3], tier: .a)
            idle = jobs.isEmpty ? idle + 1 : 0
            try await withThrowingDiscardingTaskGroup { [stand, worker] group in
                for job in jobs {
                    group.addTask {
                        _ = try await stand.queue.finish(
                            FinishedAttempt(
                                job: job, worker: worker, status: .succeeded, usage: AttemptUsage(), outcome: nil))
                    }
                }
            }
        }
        // What each of its clients has finished last was told to nobody, and would stay in the way of the next round.
        _ = try await stand.database.system.execute(SystemStatements.quiet)
        try await QueueUpkeep(queue: stand.queue, logger: BenchPostgres.quiet).tendLanes(thoroughly: true)
    }

    func end() async throws { try await stand.queue.unregister(worker) }
}
