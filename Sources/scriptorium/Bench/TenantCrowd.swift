import Core
import Database
import JobQueue
import Synchronization

/// When tenants that ask for little ask for it: the same moments each time they are served.
struct LightTenants: Sendable {
    /// Of each tenant, from the beginning on, in seconds.
    let moments: [[Double]]
    let seconds: Double

    /// - Parameter perSecond: how many jobs each asks for on average.
    init(count: Int, perSecond: Double, seconds: Double) {
        self.seconds = seconds
        moments = (0..<count).map { _ in
            // At irregular moments: those of a clock would meet the worker's own rhythm.
            (0..<max(1, Int(perSecond * seconds))).map { _ in Double.random(in: 0..<seconds) }.sorted()
        }
    }
}

/// Tenants at one queue with one worker.
final class TenantCrowd: Sendable {
    private let stand: QueueStand
    private let slots: Int
    private let hold: Duration
    private let payload = BenchPayload(bytes: 256)
    /// How many jobs of each tenant have ended.
    private let ended = Mutex<[TenantID: Int]>([:])

    init(_ stand: QueueStand, slots: Int, hold: Duration) {
        self.stand = stand
        self.slots = slots
        self.hold = hold
    }

    /// What a tenant got.
    struct Served: Sendable {
        /// From asking to the result, of each job.
        var times: [Duration] = []
        /// How many results came within the time.
        var perSecond = 0.0
    }

    struct Company: Sendable {
        var light: [Served] = []
        /// What the heavy tenant has asked for, and what it got.
        var heavyOffered = 0.0
        var heavyServed = 0.0
    }

    private func whileWorking<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let worker = BenchWorker(stand.queue, payload: 256, slots: slots, hold: hold) { [self] job in
            ended.withLock { $0[job.tenant, default: 0] += 1 }
        }
        return try await whileRunning([{ try await worker.run() }], body)
    }

    private func endedCount(_ tenant: Int64) -> Int {
        ended.withLock { $0[TenantID(rawValue: tenant)] ?? 0 }
    }

    // MARK: One offers much, others a little

    /// - Parameter heavyPerSecond: how many jobs the tenant offers that offers much; 0: there is none.
    func serve(_ plan: LightTenants, heavyPerSecond: Double) async throws -> Company {
        let tenants = try await stand.makeTenants(plan.moments.count + 1, quotas: .withoutCap)
        let heavy = tenants.upperBound
        return try await whileWorking { [self] in
            try await withThrowingTaskGroup(of: Company.self) { group in
                let offered = Tally()
                if heavyPerSecond > 0 {
                    group.addTask {
                        try await self.offer(heavy, perSecond: heavyPerSecond, counting: offered)
                        return Company()
                    }
                    // Until more waits than can be done.
                    try await Task.sleep(for: .seconds(min(1, plan.seconds)))
                }
                let clock = ContinuousClock()
                let (begin, before, served) = (clock.now, offered.value, self.endedCount(heavy))
                group.addTask {
                    var company = Company()
                    company.light = try await self.ask(plan, tenants, begin)
                    let seconds = begin.duration(to: clock.now).seconds
                    company.heavyOffered = Double(offered.value - before) / seconds
                    company.heavyServed = Double(self.endedCount(heavy) - served) / seconds
                    return company
                }
                defer { group.cancelAll() }
                while let company = try await group.next() { if !company.light.isEmpty { return company } }
                throw CancellationError()
            }
        }
    }

    /// Writes jobs at a rate, however many wait already, until its task is cancelled.
    private func offer(_ tenant: Int64, perSecond: Double, counting offered: Tally) async throws {
        let clock = ContinuousClock()
        let begin = clock.now
        let begun = Tally()
        try await withThrowingDiscardingTaskGroup { group in
            // Each writes when it is due; a database that is too slow for the rate gets no more than these at once.
            for _ in 0..<512 {
                group.addTask {
                    while !Task.isCancelled {
                        let number = begun.next()
                        try await Task.sleep(until: begin + .seconds(Double(number) / perSecond), clock: .continuous)
                        _ = try await self.stand.queue.enqueue(
                            .bench(tenant, self.payload, ingress: self.stand.waiters.ingress))
                        _ = offered.next()
                    }
                }
            }
        }
    }

    /// Asks as planned, and waits for every result.
    private func ask(
        _ plan: LightTenants, _ tenants: ClosedRange<Int64>, _ begin: ContinuousClock.Instant
    ) async throws -> [Served] {
        try await withThrowingTaskGroup(of: (Int, Served).self) { group in
            for (index, moments) in plan.moments.enumerated() {
                group.addTask {
                    let times = try await withThrowingTaskGroup(of: (Duration, Double).self) { calls in
                        for moment in moments {
                            try await Task.sleep(until: begin + .seconds(moment), clock: .continuous)
                            calls.addTask {
                                let time = try await self.call(tenants.lowerBound + Int64(index))
                                return (time, begin.duration(to: .now).seconds)
                            }
                        }
                        return try await calls.reduce(into: []) { $0.append($1) }
                    }
                    let inTime = times.count { $0.1 <= plan.seconds }
                    return (index, Served(times: times.map(\.0), perSecond: Double(inTime) / plan.seconds))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// How long one job takes to its result.
    private func call(_ tenant: Int64) async throws -> Duration {
        let clock = ContinuousClock()
        let begin = clock.now
        _ = try await result(for: tenant)
        return begin.duration(to: clock.now)
    }

    /// One job, whose result must be its own.
    private func result(for tenant: Int64) async throws -> StoredResult {
        let job = NewJob.bench(tenant, payload, ingress: stand.waiters.ingress)
        let result = try await stand.waiters.result(of: job.id, limit: .seconds(60)) { [stand] in
            try await stand.queue.enqueue(job)
            return nil
        }
        guard let result, result.status == .succeeded, result.outcome == job.payload else { throw Self.wrong(job.id) }
        return result
    }

    private static func wrong(_ job: JobID) -> BenchFailure {
        BenchFailure(description: "the job \(job) got no result within 60 seconds, or a wrong one")
    }

    // MARK: All have more than can be done

    /// What each tenant got while all of them had jobs waiting, one tenant for each weight.
    func drain(weights: [Int], for seconds: Double) async throws -> [Int] {
        let all = weights.reduce(0, +)
        let tenants = try await stand.makeTenants(weights.count, quotas: .withoutCap)
        // Twice what it may get, and what the worker holds.
        let most = 2 * Double(slots) * seconds / hold.seconds / Double(all)
        var backlog: [Int64: Int] = [:]
        for (tenant, weight) in zip(tenants, weights) {
            try await stand.setQuotas(.withWeight(weight), of: tenant...tenant)
            // One tenant's after the other's: in the order of their arrival only the first would be served.
            backlog[tenant] = Int(most * Double(weight)) + 2 * slots
            try await write(backlog[tenant] ?? 0, tenant)
        }
        return try await whileWorking { [self, backlog] in
            // What is done for the first time does not count.
            try await Task.sleep(for: .seconds(min(0.5, seconds / 4)))
            let before = tenants.map(endedCount)
            try await Task.sleep(for: .seconds(seconds))
            let after = tenants.map(endedCount)
            for (tenant, count) in zip(tenants, after) where count + slots >= backlog[tenant] ?? 0 {
                throw BenchFailure(description: "a tenant's jobs came to their end too early: it got twice its share")
            }
            return zip(after, before).map { $0 - $1 }
        }
    }

    private func write(_ count: Int, _ tenant: Int64) async throws {
        let left = Tally()
        try await withThrowingDiscardingTaskGroup { [stand, payload] group in
            for _ in 0..<256 {
                group.addTask {
                    while left.next() < count {
                        _ = try await stand.queue.enqueue(.bench(tenant, payload, ingress: stand.waiters.ingress))
                    }
                }
            }
        }
    }

    // MARK: All have more than can be done, and one comes last

    /// How long each of tenants that come one after the other with one job waits until a worker has it, while every slot is
    /// taken and a crowd of others has jobs waiting all the time.
    func comeLast(crowd: Int, for seconds: Double) async throws -> [Duration] {
        // So many that no tenant comes twice.
        let most = 200
        let all = try await stand.makeTenants(crowd + most, quotas: .withoutCap)
        let others = all.lowerBound...(all.lowerBound + Int64(crowd) - 1)
        let each = Int(2 * Double(slots) * seconds / hold.seconds) / crowd + 3
        try await stand.fill(others, each: each, payload)
        return try await whileWorking { [self] in
            // Each of the others has had its turn once: until then all are new.
            while try await waiting() > crowd * (each - 1) { try await Task.sleep(for: .milliseconds(10)) }
            let clock = ContinuousClock()
            let end = clock.now + .seconds(seconds)
            var times: [Duration] = []
            for tenant in (others.upperBound + 1)...all.upperBound where times.isEmpty || clock.now < end {
                // Whatever the worker does then.
                try await Task.sleep(for: hold * Double.random(in: 0..<4))
                let asked = Timestamp.now
                let result = try await result(for: tenant)
                guard let started = result.startedAt else { throw Self.wrong(result.id) }
                times.append(.microseconds(started.microseconds - asked.microseconds))
            }
            guard try await waiting() >= crowd / 2 else {
                throw BenchFailure(description: "the crowd had too few jobs waiting to be one")
            }
            return times
        }
    }

    private func waiting() async throws -> Int {
        let rows = try await stand.database.system.read { try $0.query(SystemStatements.waiting) }
        return try rows.first?.decode(Int.self) ?? 0
    }
}
