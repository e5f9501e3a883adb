import Core
import Database
import JobQueue
import Synchronization

/// Callers and workers at one queue, as many jobs a second as it lets through.
final class QueueTraffic: Sendable {
    private let stand: QueueStand
    private let tenants: ClosedRange<Int64>
    private let payload: BenchPayload
    private let payloadBytes: Int
    private let workerCount: Int

    private let begun = Atomic(0)
    private let ended = Atomic(0)
    private let isOver = Atomic(false)
    private let workers = Mutex<[BenchWorker]>([])

    /// How many callers there are, each with one job on its way into the queue.
    private static let callers = 256
    /// How many jobs each worker holds at once.
    static let slots = 128
    /// With so many jobs in the queue the callers pause.
    private static let window = 4000

    init(_ stand: QueueStand, tenants: ClosedRange<Int64>, payloadBytes: Int, workers: Int) {
        self.stand = stand
        self.tenants = tenants
        self.payloadBytes = payloadBytes
        payload = BenchPayload(bytes: payloadBytes)
        workerCount = workers
    }

    /// How many jobs have their result.
    var endedCount: Int { ended.load(ordering: .relaxed) }
    /// How many claims brought something.
    var claimCount: Int { workers.withLock { $0.reduce(0) { $0 + $1.claimCount } } }
    /// Under which the results are stored.
    var workerIDs: [Int64] { workers.withLock { $0.map(\.id.rawValue) } }

    /// Runs so many jobs, and ends when each has its result.
    func run(jobs: Int) async throws {
        let goal = begun.load(ordering: .relaxed) + jobs
        try await whileRunning(makeWorkers()) {
            try await self.call { self.begun.load(ordering: .relaxed) >= goal }
            try await self.drain(goal)
        }
    }

    /// Runs jobs while `body` does, and ends when each has its result.
    func run<T: Sendable>(while body: @escaping @Sendable () async throws -> T) async throws -> T {
        try await whileRunning(makeWorkers()) {
            self.isOver.store(false, ordering: .relaxed)
            return try await withThrowingTaskGroup(of: T?.self) { group in
                group.addTask {
                    try await self.call { self.isOver.load(ordering: .relaxed) }
                    return nil
                }
                group.addTask {
                    defer { self.isOver.store(true, ordering: .relaxed) }
                    return try await body()
                }
                var result: T?
                for try await ended in group { result = ended ?? result }
                try await self.drain(self.begun.load(ordering: .relaxed))
                guard let result else { throw CancellationError() }
                return result
            }
        }
    }

    private func makeWorkers() -> [@Sendable () async throws -> Void] {
        (0..<workerCount).map { _ in
            // Half a hand at a time: who claims for each slot that becomes free measures round trips.
            let worker = BenchWorker(
                stand.queue, payload: payloadBytes, slots: Self.slots, least: Self.slots / 2
            ) { [self] _ in ended.add(1, ordering: .relaxed) }
            workers.withLock { $0.append(worker) }
            return { try await worker.run() }
        }
    }

    /// Writes jobs until `isOver`.
    private func call(until isOver: @escaping @Sendable () -> Bool) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            for _ in 0..<Self.callers {
                group.addTask {
                    while !isOver() {
                        let number = self.begun.wrappingAdd(1, ordering: .relaxed).oldValue
                        while number - self.endedCount > Self.window { try await Task.sleep(for: .milliseconds(1)) }
                        let tenant = self.tenants.lowerBound + Int64(number % self.tenants.count)
                        guard
                            case .accepted = try await self.stand.queue.enqueue(
                                .bench(tenant, self.payload, ingress: self.stand.waiters.ingress))
                        else { throw BenchFailure(description: "a new job was taken for an old one") }
                    }
                }
            }
        }
    }

    /// Waits until so many jobs have their results.
    private func drain(_ goal: Int) async throws {
        let clock = ContinuousClock()
        var last = (count: endedCount, at: clock.now)
        while endedCount < goal {
            try await Task.sleep(for: .milliseconds(1))
            if endedCount > last.count { last = (endedCount, clock.now) }
            guard clock.now < last.at + .seconds(20) else {
                throw BenchFailure(description: "\(goal - endedCount) of \(goal) jobs were not answered")
            }
        }
    }

    /// Looks whether every job has one result, which is right.
    func check() async throws {
        let expected = Int64(begun.load(ordering: .relaxed))
        let ids = workerIDs
        let rows = try await stand.database.system.read(limit: .seconds(300)) { sql in
            try sql.query(SystemStatements.check, SQLArray(ids))
        }
        guard let (stored, different, right) = try rows.first?.decode(Int64.self, Int64.self, Int64.self),
            stored == expected, different == expected, right == expected
        else {
            throw BenchFailure(description: "not each of \(expected) jobs has one result with the right bytes")
        }
    }

    /// How many jobs a statement was about, on average over the three statements of a job's life.
    func meanBatch() async throws -> Int {
        let ids = workerIDs
        let rows = try await stand.database.system.read(limit: .seconds(300)) { sql in
            try sql.query(SystemStatements.batches, SQLArray(ids))
        }
        guard let (writes, ends) = try rows.first?.decode(Int64.self, Int64.self), writes > 0, ends > 0 else {
            throw BenchFailure(description: "nothing was written")
        }
        let statements = Int(writes) + Int(ends) + claimCount
        return max(1, (3 * endedCount + statements / 2) / statements)
    }
}
