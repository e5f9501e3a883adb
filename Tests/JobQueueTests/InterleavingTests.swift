import Core
import Database
import JobQueue
import Synchronization
import TestSupport
import Testing

/// Transactions of the queue that are open at the same time, step by step, on a real PostgreSQL: whatever the order in which
/// they begin and commit, nothing is lost, nothing runs twice, no cap is exceeded, and nobody waits for each other in a circle.
@Suite struct InterleavingTests {
    /// A step that was taken in a transaction that is open, or waits for a lock; and what is known once it has committed.
    private struct Open {
        let transaction: OpenTransaction
        let step: OpenTransaction.Step<@Sendable (inout Known) -> Void>
    }

    /// What the schedule knows.
    private struct Known {
        /// Jobs in a worker's hands: their tenants.
        var held: [JobID: Int64] = [:]
        var ended: [(tenant: Int64, generation: Int64)] = []
        var accepted: Set<JobID> = []
        var done: [JobID] = []
    }

    private final class Ledger: Sendable {
        private let known = Mutex(Known())

        func withLock<T: Sendable>(_ body: (inout Known) throws -> sending T) rethrows -> T {
            try known.withLock { try body(&$0) }
        }
    }

    private static let seeds: [UInt64] = [1, 2, 3, 5, 8, 13]

    @Test(arguments: seeds) func everyOrderIsSound(seed: UInt64) async throws {
        try await TestQueue.with { test in
            for tenant in [
                #"insert into tenant (name, quotas, data_key) values ('one', '{"max_concurrent":2}', 'x')"#,
                #"insert into tenant (name, quotas, data_key) values ('two', '{"max_concurrent":3}', 'x')"#,
            ] as [StaticString] { try await test.sql(tenant) }
            let worker = try await test.worker(tier: .a).rawValue
            let known = Ledger()
            var random = Seeded(state: seed)
            var open: [Open] = []
            for step in 0..<120 {
                if open.count < 3, step < 110, Int.random(in: 0..<5, using: &random) > 1 || open.isEmpty {
                    let body = operation(worker, known, &random)
                    let transaction = try await OpenTransaction(test.database)
                    open.append(Open(transaction: transaction, step: try await transaction.start(body)))
                } else if let ready = open.indices.filter({ open[$0].step.hasEnded }).randomElement(using: &random) {
                    try await commit(open.remove(at: ready), known)
                }
                #expect(try await test.overCap == [0, 0], "seed \(seed), step \(step)")
            }
            // One may wait for another.
            try await withThrowingDiscardingTaskGroup { group in
                for transaction in open { group.addTask { try await commit(transaction, known) } }
            }
            let lost = known.withLock { $0.accepted.subtracting($0.held.keys).subtracting($0.done) }
            #expect(try await test.numbers("select count(*)::int from ready") == [lost.count], "seed \(seed)")
            try await drain(test, WorkerID(rawValue: worker), known)
            #expect(
                known.withLock { Set($0.done) == $0.accepted && $0.done.count == $0.accepted.count }, "seed \(seed)")
            let broken = try await QueueAudit(database: test.database).findings().filter { $0.count > 0 }.map(\.name)
            #expect(broken.isEmpty, "seed \(seed): \(broken)")
        }
    }

    private func commit(_ open: Open, _ known: Ledger) async throws {
        let note = try await open.step.value
        try await open.transaction.commit()
        known.withLock { note(&$0) }
    }

    /// One of the queue's operations: what it says to the database, and what is known once it has committed.
    private func operation(
        _ worker: Int64, _ known: Ledger, _ random: inout Seeded
    ) -> @Sendable (borrowing SQLSession) throws -> @Sendable (inout Known) -> Void {
        let kind = Int.random(in: 0..<10, using: &random)
        let tenant = Int64.random(in: 1...2, using: &random)
        let isAsynchronous = Bool.random(using: &random)
        switch kind {
        case 0..<4:
            let id = JobID.new
            return { sql in
                try sql.enqueue(id, of: tenant, asynchronous: isAsynchronous)
                return { $0.accepted.insert(id) }
            }
        case 4..<6:
            let ended = known.withLock { known in
                defer { known.ended = [] }
                return known.ended
            }
            return { sql in
                let jobs = try sql.claim(worker, want: 3, ended: ended)
                return { known in for claimed in jobs { known.held[claimed.job] = claimed.tenant } }
            }
        case 9:
            return { sql in
                try sql.tendLanes()
                return { _ in }
            }
        default:
            // Nobody else touches it from now on.
            let job = known.withLock { known -> (JobID, Int64)? in
                guard let job = known.held.min(by: { $0.key < $1.key }) else { return nil }
                known.held[job.key] = nil
                return job
            }
            guard let (id, tenant) = job else { return { _ in { _ in } } }
            if kind == 8 {
                return { sql in
                    try sql.release(worker, id)
                    return { _ in }
                }
            }
            return { sql in
                let generation = try sql.finish(worker, id)
                return { known in
                    guard let generation else { return }
                    known.done.append(id)
                    known.ended.append((tenant, generation))
                }
            }
        }
    }

    /// Runs all that is left, which must come without any upkeep.
    private func drain(_ test: TestQueue, _ worker: WorkerID, _ known: Ledger) async throws {
        var idle = 0
        while idle < 3 {
            let (held, ended) = known.withLock { known in
                defer { (known.held, known.ended) = ([:], []) }
                return (known.held, known.ended)
            }
            idle = held.isEmpty && ended.isEmpty ? idle + 1 : 0
            for (id, tenant) in held {
                let end = try await test.database.system.transaction { try $0.finish(worker.rawValue, id) }
                let generation = try #require(end)
                known.withLock {
                    $0.done.append(id)
                    $0.ended.append((tenant, generation))
                }
            }
            let jobs = try await test.database.system.transaction { sql in
                try sql.claim(worker.rawValue, want: 3, ended: ended)
            }
            for claimed in jobs { known.withLock { $0.held[claimed.job] = claimed.tenant } }
        }
    }
}

extension TestQueue {
    /// By how many the runs of the two tenants are beyond their caps.
    fileprivate var overCap: [Int] {
        get async throws {
            try await numbers(
                """
                select greatest(0, (select count(*) from run r where r.tenant = t.id)
                    - (t.quotas::jsonb ->> 'max_concurrent')::int)::int
                from tenant t order by t.id
                """)
        }
    }
}

/// The same numbers for the same seed (splitmix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
