import Core
import Database
import Dispatch
import JobQueue
import Synchronization
import TestSupport
import Testing

/// Transactions of the queue that are open at the same time, step by step, on a real PostgreSQL: whatever the order in which
/// they begin and commit, nothing is lost, nothing runs twice, no cap is exceeded, and nobody waits for each other in a circle.
@Suite struct InterleavingTests {
    private static let claim = Statement(
        "test_interleaved_claim",
        """
        select id, tenant from claim_4($1::bigint, 3, 3, '{3}'::smallint[], 3::smallint, $2::bigint[], $3::bigint[],
            $4::integer[], $5::bigint[])
        """)
    private static let finish = Statement(
        "test_interleaved_finish",
        """
        select id, generation from finish_4(array[null]::bigint[], $1::bigint, array[$2::uuid], array[1]::smallint[],
            array[1]::smallint[], array[null]::bytea[], array[now()], array[0]::bigint[], array[0]::bigint[],
            array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[],
            array[0]::bigint[], array[0]::bigint[], false)
        """)
    private static let enqueue = Statement(
        "test_interleaved_enqueue",
        """
        select enqueue_3(array[$1::uuid], array[$2::bigint], array[7]::bigint[], array[null]::bigint[], array['math'],
            array[3]::bigint[], array[1], array['POST'], array[$3::boolean], array[1]::smallint[], array[60000],
            array[1]::bigint[], array['\\x01'::bytea], array['\\x01'::bytea], array[3]::smallint[], array[false],
            array[null]::timestamptz[], array[null]::bigint[], array[3600000]::bigint[], array[null]::uuid[],
            array[null]::text[], array[null]::bytea[], array[null]::bytea[], array[0]::smallint[],
            array[null]::bigint[], array[null]::bigint[], array[null]::bigint[], false)
        """)
    private static let release = Statement(
        "test_interleaved_release", "select release_1($1::bigint, array[$2::uuid], false)")
    private static let tend = Statement("test_interleaved_tend", "select tend_lanes_1(true)")

    /// A transaction that has run its statements and waits for the word to commit, or still waits for a lock.
    private final class Open: Sendable {
        let hasRun = Mutex(false)
        let word = DispatchSemaphore(value: 0)
        let task = Mutex<Task<Void, any Error>?>(nil)
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
                    let transaction = Open()
                    let task = Task {
                        // What it has found counts when it has committed.
                        let note = try await test.database.system.transaction { sql in
                            let note = try body(sql)
                            transaction.hasRun.withLock { $0 = true }
                            guard transaction.word.wait(timeout: .now() + 60) == .success else {
                                throw CancellationError()
                            }
                            return note
                        }
                        known.withLock { note(&$0) }
                    }
                    transaction.task.withLock { $0 = task }
                    open.append(transaction)
                    // It has either run, or waits for one of the others.
                    try await eventually("step \(step) runs or waits") {
                        if transaction.hasRun.withLock({ $0 }) { return true }
                        return try await test.numbers("select count(*)::int from pg_locks where not granted") != [0]
                    }
                } else if let ready = open.indices.filter({ open[$0].hasRun.withLock { $0 } }).randomElement(
                    using: &random)
                {
                    try await commit(open.remove(at: ready))
                }
                #expect(try await test.overCap == [0, 0], "seed \(seed), step \(step)")
            }
            // One may wait for another.
            for transaction in open { transaction.word.signal() }
            for transaction in open { try await transaction.task.withLock { $0 }?.value }
            let lost = known.withLock { $0.accepted.subtracting($0.held.keys).subtracting($0.done) }
            #expect(try await test.numbers("select count(*)::int from ready") == [lost.count], "seed \(seed)")
            try await drain(test, WorkerID(rawValue: worker), known)
            #expect(
                known.withLock { Set($0.done) == $0.accepted && $0.done.count == $0.accepted.count }, "seed \(seed)")
            let broken = try await QueueAudit(database: test.database).findings().filter { $0.count > 0 }.map(\.name)
            #expect(broken.isEmpty, "seed \(seed): \(broken)")
        }
    }

    private func commit(_ transaction: Open) async throws {
        transaction.word.signal()
        try await transaction.task.withLock { $0 }?.value
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
            let id = JobID(milliseconds: UInt64(Timestamp.now.microseconds / 1000))
            return { sql in
                _ = try sql.query(Self.enqueue, id, tenant, isAsynchronous)
                return { $0.accepted.insert(id) }
            }
        case 4..<6:
            let ended = known.withLock { known in
                defer { known.ended = [] }
                return known.ended
            }
            return { sql in
                let rows = try sql.query(
                    Self.claim, worker, SQLArray(ended.map(\.tenant)), SQLArray(ended.map { _ in Int64(0) }),
                    SQLArray(ended.map { _ in Int32(1) }), SQLArray(ended.map(\.generation)))
                let jobs = try rows.map { try $0.decode(JobID.self, Int64.self) }
                return { known in for (id, tenant) in jobs { known.held[id] = tenant } }
            }
        case 9:
            return { sql in
                _ = try sql.query(Self.tend)
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
                    _ = try sql.query(Self.release, worker, id)
                    return { _ in }
                }
            }
            return { sql in
                let generation = try sql.query(Self.finish, worker, id).first?.decode(Int64.self, at: 1)
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
                let rows = try await test.database.system.transaction { try $0.query(Self.finish, worker.rawValue, id) }
                let generation = try #require(try rows.first?.decode(Int64.self, at: 1))
                known.withLock {
                    $0.done.append(id)
                    $0.ended.append((tenant, generation))
                }
            }
            let rows = try await test.database.system.transaction { sql in
                try sql.query(
                    Self.claim, worker.rawValue, SQLArray(ended.map(\.tenant)), SQLArray(ended.map { _ in Int64(0) }),
                    SQLArray(ended.map { _ in Int32(1) }), SQLArray(ended.map(\.generation)))
            }
            for row in rows {
                let (id, tenant) = try row.decode(JobID.self, Int64.self)
                known.withLock { $0.held[id] = tenant }
            }
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
