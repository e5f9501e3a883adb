import Core
import Database
import Glibc
import JobQueue

/// A queue in which much waits, and a worker that claims from it. What it has claimed it ends, and writes as much anew.
final class ClaimedBacklog {
    private let stand: QueueStand
    private let payload = BenchPayload(bytes: 64)
    private let backend: pid_t
    private let worker: WorkerID
    private var seen: Set<JobID> = []

    /// How many jobs a claim asks for.
    static let want = 50

    /// Fills the queue.
    /// - Parameters:
    ///   - stand: with one connection, whose process is looked at.
    ///   - capped: how many of the tenants have as many jobs running as they may.
    ///   - each: how many jobs each tenant has.
    init(
        _ stand: QueueStand, tenants: Int, capped: Int, each: Int, say: (String) -> Void
    ) async throws {
        self.stand = stand
        let range = try await stand.makeTenants(tenants, quotas: .withoutCap)
        worker = try await stand.queue.register(worker: "bench", slots: Self.want, tier: .a)
        backend = try await stand.database.system.execute(SystemStatements.process).first?.decode(Int32.self) ?? 0
        let first = range.lowerBound
        if capped > 0 {
            let held = first...(first + Int64(capped) - 1)
            try await stand.setQuotas(.withCap(1), of: held)
            try await stand.fill(held, each: each, payload, say)
            say("letting \(capped) tenants run what they may")
            try await occupy(held)
        }
        try await stand.fill((first + Int64(capped))...range.upperBound, each: each, payload, say)
        _ = try await stand.database.system.execute(SystemStatements.analyze, limit: .seconds(600))
        // Only a superuser may, and then none comes in the midst of it.
        _ = try? await stand.database.system.execute(SystemStatements.checkpoint, limit: .seconds(600))
    }

    /// Claims for another worker until the tenants have nothing that may run; each may run one.
    private func occupy(_ tenants: ClosedRange<Int64>) async throws {
        let holder = try await stand.queue.register(worker: "holder", slots: tenants.count, tier: .a)
        var held: Set<TenantID> = []
        var empty = 0
        while empty < 3 {
            let jobs = try await stand.queue.claim(holder, want: 500, languages: [.python3], tier: .a)
            empty = jobs.isEmpty ? empty + 1 : 0
            for job in jobs where !held.insert(job.tenant).inserted {
                throw BenchFailure(description: "a tenant got two jobs at the same time and may have one")
            }
        }
        guard held.count == tenants.count else {
            throw BenchFailure(
                description: "of \(tenants.count) tenants \(held.count) got the one job that they may run")
        }
    }

    /// Claims some times, and then puts as much back.
    func block(_ claims: Int) async throws -> ClaimFigures.Side {
        var side = ClaimFigures.Side()
        var claimed: [ClaimedJob] = []
        let clock = ContinuousClock()
        guard let before = ProcessorTime.alone(backend) else { throw Self.gone }
        for _ in 0..<claims {
            let begin = clock.now
            let jobs = try await stand.queue.claim(worker, want: Self.want, languages: [.python3], tier: .a)
            side.times.append(begin.duration(to: clock.now))
            claimed += jobs
        }
        guard let after = ProcessorTime.alone(backend) else { throw Self.gone }
        side.server = after - before
        side.jobs = claimed.count
        guard side.jobs > 0 else { throw BenchFailure(description: "a claim brought nothing while jobs waited") }
        for job in claimed {
            guard seen.insert(job.id).inserted,
                payload.isSame(job.payload) || BenchPayload.belongs(job.payload, to: job.id)
            else { throw BenchFailure(description: "the job \(job.id) came twice, or with another one's payload") }
        }
        try await replace(claimed)
        return side
    }

    private func replace(_ jobs: [ClaimedJob]) async throws {
        let (queue, worker, payload) = (stand.queue, worker, payload)
        try await withThrowingDiscardingTaskGroup { group in
            for job in jobs {
                group.addTask {
                    guard
                        try await queue.finish(
                            FinishedAttempt(
                                job: job, worker: worker, status: .succeeded, usage: AttemptUsage(), outcome: [0]))
                    else { throw BenchFailure(description: "the result of the job \(job.id) was refused") }
                    try await queue.enqueue(.bench(job.tenant.rawValue, payload, ingress: 0))
                }
            }
        }
    }

    /// How many buffers a claim looks at: the median of some. What these claim stays claimed.
    func buffers() async throws -> Double {
        let text = try StatementFilling.fill(
            JobQueue.Texts.claim, StatementFilling.claimed(worker, want: Self.want))
        var counts: [Int] = []
        for _ in 0..<5 {
            let rows = try await stand.database.system.execute(SystemStatements.explain(text))
            // The first such line is the whole statement's.
            let line = try rows.lazy.map { try $0.decode(String.self) }.first { $0.contains("Buffers: shared") } ?? ""
            counts.append(["hit=", "read="].reduce(0) { $0 + Self.number(in: line, after: $1) })
        }
        return Double(counts.sorted()[counts.count / 2])
    }

    private static func number(in line: String, after mark: String) -> Int {
        line.firstRange(of: mark).flatMap { Int(line[$0.upperBound...].prefix(while: \.isNumber)) } ?? 0
    }

    private static let gone = BenchFailure(description: "the server's process of the claims has ended")
}
