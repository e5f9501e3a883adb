import Core
import Database
import JobQueue
import Synchronization

/// A worker as the queue knows it: it claims, holds, finishes and lives by its heartbeat, and runs no script. A job's result is
/// its payload.
final class BenchWorker: Sendable {
    private let queue: JobQueue
    private let payload: Int
    private let slots: Int
    private let least: Int
    private let hold: Duration
    private let onEnd: @Sendable (ClaimedJob) -> Void
    private let held = Mutex<Set<JobID>>([])
    /// Claims that brought something.
    private let claims = Atomic(0)
    private let number = Atomic<Int64>(0)

    /// As the program's own worker has it.
    private static let pollInterval = Duration.milliseconds(500)

    /// - Parameters:
    ///   - payload: how many bytes each job has.
    ///   - slots: how many jobs it holds at once, at most.
    ///   - least: with how many free slots it claims.
    ///   - hold: how long each job takes.
    ///   - onEnd: called when a job's result is stored.
    init(
        _ queue: JobQueue, payload: Int, slots: Int, least: Int = 1, hold: Duration = .zero,
        onEnd: @escaping @Sendable (ClaimedJob) -> Void
    ) {
        self.queue = queue
        self.payload = payload
        self.slots = slots
        self.least = least
        self.hold = hold
        self.onEnd = onEnd
    }

    /// Under which its results are stored.
    var id: WorkerID { WorkerID(rawValue: number.load(ordering: .relaxed)) }
    var claimCount: Int { claims.load(ordering: .relaxed) }

    /// Works until its task is cancelled. Then what it has begun may be left behind.
    /// - Throws: `BenchFailure` where it gets what it should not get.
    func run() async throws {
        let id = try await queue.register(worker: "bench", slots: slots, tier: .a)
        number.store(id.rawValue, ordering: .relaxed)
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        try await whileRunning([
            { [queue] in for await _ in queue.wakeups() { signal.yield() } },
            {
                while true {
                    signal.yield()
                    try await Task.sleep(for: Self.pollInterval)
                }
            },
            { try await self.heartbeat(id) },
        ]) {
            try await self.work(id, signals, signal)
        }
        try await queue.unregister(id)
    }

    private func heartbeat(_ id: WorkerID) async throws {
        while true {
            try await Task.sleep(for: JobQueue.heartbeatInterval)
            guard try await queue.heartbeat(id, holding: held.withLock { Array($0) }) else {
                throw BenchFailure(description: "a worker of the benchmark was given up: the machine is too busy")
            }
        }
    }

    private func work(
        _ id: WorkerID, _ signals: AsyncStream<Void>, _ signal: AsyncStream<Void>.Continuation
    ) async throws {
        try await withThrowingDiscardingTaskGroup { jobs in
            for await _ in signals {
                while true {
                    let free = slots - held.withLock { $0.count }
                    guard free >= least else { break }
                    let claimed = try await queue.claim(id, want: free, languages: [.python3], tier: .a)
                    if !claimed.isEmpty { claims.add(1, ordering: .relaxed) }
                    for job in claimed {
                        try begin(job)
                        jobs.addTask {
                            try await self.end(job, id)
                            if self.slots - self.held.withLock({ $0.count }) >= self.least { signal.yield() }
                        }
                    }
                    guard claimed.count == free else { break }
                }
            }
        }
    }

    private func begin(_ job: ClaimedJob) throws {
        // Nobody's: what the ceiling's connections have left in the queue.
        if job.ingress == 0, held.withLock({ $0.insert(job.id).inserted }) { return }
        guard held.withLock({ $0.insert(job.id).inserted }), job.attempt == 1, job.payload.count == payload,
            BenchPayload.belongs(job.payload, to: job.id)
        else { throw BenchFailure(description: "the job \(job.id) came twice, or with another one's payload") }
    }

    private func end(_ job: ClaimedJob, _ id: WorkerID) async throws {
        if hold > .zero { try await Task.sleep(for: hold) }
        var usage = AttemptUsage()
        usage.wall = hold
        guard
            try await queue.finish(
                FinishedAttempt(job: job, worker: id, status: .succeeded, usage: usage, outcome: job.payload))
        else { throw BenchFailure(description: "the result of the job \(job.id) was refused") }
        held.withLock { _ = $0.remove(job.id) }
        if job.ingress != 0 { onEnd(job) }
    }
}

/// What a job of a benchmark carries: its id, and bytes that can not be compressed, as what is sealed.
struct BenchPayload: Sendable {
    private let filler: [UInt8]

    static let least = 16

    init(bytes: Int) {
        var random = SystemRandomNumberGenerator()
        filler = (0..<max(Self.least, bytes)).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
    }

    func of(_ id: JobID) -> [UInt8] {
        var payload = filler
        payload.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: id.high.bigEndian, toByteOffset: 0, as: UInt64.self)
            bytes.storeBytes(of: id.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return payload
    }

    /// As the text of an SQL constant.
    var literal: String {
        let digits = Array("0123456789abcdef")
        return "'\\x" + String(filler.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }) + "'::bytea"
    }

    /// Whether this is what ``literal`` stands for.
    func isSame(_ payload: [UInt8]) -> Bool { payload == filler }

    static func belongs(_ payload: [UInt8], to id: JobID) -> Bool {
        payload.count >= least
            && payload.withUnsafeBytes { bytes in
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)) == id.high
                    && UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) == id.low
            }
    }
}

extension NewJob {
    /// A job of a benchmark, which nobody looks into but who claims it.
    static func bench(_ tenant: Int64, _ payload: BenchPayload, ingress: Int64) -> NewJob {
        let id = JobID(milliseconds: UInt64(max(0, Timestamp.now.microseconds / 1000)))
        return NewJob(
            id: id, tenant: TenantID(rawValue: tenant), app: 1, account: nil, service: "bench", serviceID: 1,
            version: 1,
            language: .python3, verb: .post, isAsynchronous: true, maxAttempts: 1, wall: .seconds(60),
            startWithin: .seconds(3600), ingress: ingress, payload: payload.of(id),
            summary: Array("{\"resource\":\"\",\"idempotency_key\":null}".utf8))
    }
}
