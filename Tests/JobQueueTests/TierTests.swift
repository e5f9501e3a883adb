import Core
import Database
import Dispatch
import JobQueue
import TestSupport
import Testing

/// Jobs whose tenants demand a sandbox, and workers that have one or not.
@Suite struct TierTests {
    private static let demand = Statement(
        "test_demand",
        """
        insert into tenant (id, name, quotas, data_key)
        overriding system value values ($1::bigint, 'tenant-' || $1::bigint, $2::text, 'x')
        on conflict (id) do update set quotas = excluded.quotas
        """)

    /// Sets what a tenant demands, as the operator does.
    private func demand(_ tier: SandboxTier?, of tenant: TenantID, _ test: TestQueue) async throws {
        let quotas = tier.map { #"{"min_tier":"\#($0.rawValue)","egress":["a"]}"# } ?? #"{"min_tier":null}"#
        try await test.database.system.transaction { sql in
            _ = try sql.execute(Self.demand, tenant.rawValue, quotas)
        }
    }

    @Test(
        arguments: [SandboxTier?.none, .c, .b, .a],
        SandboxTier.allCases)
    func aWorkerGetsWhatItContainsWellEnough(demanded: SandboxTier?, tier: SandboxTier) async throws {
        try await TestQueue.with { test in
            try await demand(demanded, of: test.tenant, test)
            let job = test.job(asynchronous: true)
            try await test.queue.enqueue(job)
            let worker = try await test.worker(tier: tier)
            let expected = tier >= demanded ?? .none ? [job.id] : []
            #expect(try await test.queue.claim(worker, want: 5).map(\.id) == expected)
            #expect(try await test.queue.workers().map(\.tier) == [tier])
        }
    }

    /// The sandbox that a worker has lost since it was registered does not count.
    @Test func whatTheWorkerHasNowCounts() async throws {
        try await TestQueue.with { test in
            try await demand(.b, of: test.tenant, test)
            try await test.queue.enqueue(test.job())
            let worker = try await test.worker(tier: .a)
            #expect(try await test.queue.claim(worker, want: 1, languages: [.python3], tier: .c).isEmpty)
            #expect(try await test.queue.claim(worker, want: 1, languages: [.python3], tier: .b).count == 1)
        }
    }

    @Test func aDemandThatIsRaisedCountsForWhatWaits() async throws {
        try await TestQueue.with { test in
            try await demand(nil, of: test.tenant, test)
            let now = test.job(asynchronous: true)
            var later = test.job(asynchronous: true)
            later.start = .after(.milliseconds(1))
            try await test.queue.enqueue(now)
            try await test.queue.enqueue(later)
            try await demand(.b, of: test.tenant, test)
            let weak = try await test.worker(tier: .c)
            let strong = try await test.worker(tier: .b)
            try await test.whileUpkeep {
                try await eventually("the delayed job's time has come") {
                    try await test.numbers("select min_tier::int from ready") == [2, 2]
                }
            }
            #expect(try await test.queue.claim(weak, want: 5).isEmpty)
            // What was demanded when it was accepted, or since, is not taken back.
            try await demand(nil, of: test.tenant, test)
            #expect(try await test.queue.claim(weak, want: 5).isEmpty)
            #expect(try await test.queue.job(now.id, of: test.tenant)?.minTier == .b)
            let fresh = test.job(asynchronous: true)
            try await test.queue.enqueue(fresh)
            #expect(try await test.queue.claim(weak, want: 5).map(\.id) == [fresh.id])
            #expect(try await Set(test.queue.claim(strong, want: 5).map(\.id)) == [now.id, later.id])
        }
    }

    /// A raise that misses a job, because it is accepted at that moment, holds all the same.
    @Test func theTenantsDemandCountsBesideTheJobs() async throws {
        try await TestQueue.with { test in
            try await demand(.a, of: test.tenant, test)
            let job = test.job()
            try await test.queue.enqueue(job)
            try await test.sql("update ready set min_tier = 0")
            #expect(try await test.queue.claim(try await test.worker(tier: .b), want: 1).isEmpty)
            #expect(try await test.queue.claim(try await test.worker(tier: .a), want: 1).map(\.id) == [job.id])
        }
    }

    /// Quotas that can not be read demand the most.
    @Test func whatCanNotBeReadDemandsTheMost() async throws {
        try await TestQueue.with { test in
            try await demand(nil, of: test.tenant, test)
            try await test.sql("update tenant set quotas = 'what is this'")
            try await test.queue.enqueue(test.job())
            #expect(try await test.queue.claim(try await test.worker(tier: .b), want: 1).isEmpty)
            #expect(try await test.queue.claim(try await test.worker(tier: .a), want: 1).count == 1)
        }
    }

    /// However an attempt ends, the next one demands the same.
    @Test(arguments: ["released", "retried", "lost", "forgotten"])
    func theNextAttemptDemandsTheSame(end: String) async throws {
        try await TestQueue.with { test in
            try await demand(.c, of: test.tenant, test)
            let job = test.job(asynchronous: true)
            try await test.queue.enqueue(job)
            // Only what the job itself was accepted with is left to protect it.
            try await demand(nil, of: test.tenant, test)
            let worker = try await test.worker(tier: .c)
            let claimed = try #require(try await test.queue.claim(worker, want: 1).first)
            switch end {
            case "released": try await test.queue.release([job.id], from: worker)
            case "retried":
                _ = try await test.queue.retry(claimed, from: worker, lost: false, usage: AttemptUsage())
            case "lost": try await test.silence(worker)
            default:
                try await test.age([job.id])
                _ = try await test.queue.heartbeat(worker, holding: [])
            }
            try await test.whileUpkeep {
                try await eventually("the job waits again") {
                    try await test.numbers("select min_tier::int from ready") == [1]
                }
            }
            #expect(try await test.queue.claim(try await test.worker(), want: 1).isEmpty)
            #expect(try await test.queue.claim(try await test.worker(tier: .c), want: 1).map(\.id) == [job.id])
        }
    }

    /// Of each tenant synchronous ones first, then as they came; and tenants take turns, whatever they demand.
    @Test func tenantsTakeTurnsWhateverTheyDemand() async throws {
        try await TestQueue.with { test in
            let tenants = [nil, SandboxTier.c, .b, .a].enumerated().map {
                (TenantID(rawValue: Int64($0.offset + 1)), $0.element)
            }
            for (tenant, tier) in tenants { try await demand(tier, of: tenant, test) }
            var expected: [TenantID: [[JobID]]] = [:]
            for number in 0..<24 {
                let job = test.job(asynchronous: number % 3 == 0, tenant: tenants[number % 4].0)
                try await test.queue.enqueue(job)
                expected[job.tenant, default: [[], []]][job.isAsynchronous ? 1 : 0].append(job.id)
            }
            let worker = try await test.worker(tier: .a)
            var claimed: [TenantID: [JobID]] = [:]
            for _ in 0..<6 {
                let jobs = try await test.queue.claim(worker, want: 4)
                #expect(Set(jobs.map(\.tenant)).count == 4)
                for job in jobs { claimed[job.tenant, default: []].append(job.id) }
            }
            #expect(claimed == expected.mapValues { $0[0] + $0[1] })
        }
    }

    @Test func aClaimPassesOverWhatItCanNotTakeAtNoPrice() async throws {
        try await TestQueue.with { test in
            try await demand(.a, of: TenantID(rawValue: 2), test)
            try await test.sql(
                """
                with made as (
                    insert into job (id, created_at, tenant, service, service_id, version, method, asynchronous,
                        max_attempts, wall_ms, ingress, request)
                    select gen_random_uuid(), now(), 2, 'math', 3, 1, 'POST', false, 1, 1000, 1, ''
                    from generate_series(1, 20000)
                    returning id, created_at
                )
                insert into ready (class, tenant, id, created_at, attempt, min_tier) select 0, 2, id, created_at, 1, 3 from made
                """)
            var ids: [JobID] = []
            for _ in 0..<40 {
                let job = test.job(asynchronous: true)
                try await test.queue.enqueue(job)
                ids.append(job.id)
            }
            let worker = try await test.worker(tier: .b)
            // What the claim reads of the table and of its index, counted by the server within the transaction.
            let (claimed, read) = try await test.database.system.transaction { sql in
                let claimed = try sql.query(
                    Statement("test_claim", "select id from claim_3($1::bigint, 10, '{3}'::smallint[], 3::smallint)"),
                    worker.rawValue
                ).map { try $0.decode(JobID.self) }
                let read =
                    try sql.query(
                        Statement(
                            "test_read",
                            """
                            select pg_stat_get_xact_tuples_returned('ready'::regclass)
                                + pg_stat_get_xact_tuples_fetched('ready'::regclass)
                                + pg_stat_get_xact_tuples_returned('ready_pkey'::regclass)
                            """)
                    ).first?.decode(Int64.self) ?? .max
                return (claimed, read)
            }
            #expect(claimed == Array(ids.prefix(10)))
            #expect(read > 0 && read < 400, "the claim of 10 jobs read \(read) rows")
            #expect(try await test.queue.depth().readySynchronous == 20000)
            #expect(try await test.queue.depth().readyAsynchronous == 30)
        }
    }

    /// Two workers that claim at the same moment share what is there.
    @Test func aClaimLocksOnlyWhatItTakes() async throws {
        try await TestQueue.with { test in
            try await demand(.c, of: TenantID(rawValue: 2), test)
            for number in 0..<6 {
                try await test.queue.enqueue(
                    test.job(asynchronous: true, tenant: TenantID(rawValue: Int64(number + 1))))
            }
            let (one, two) = (try await test.worker(tier: .c), try await test.worker(tier: .c))
            let claim = Statement(
                "test_claim_three", "select id from claim_3($1::bigint, 3, '{3}'::smallint[], 3::smallint)")
            let (held, hold) = AsyncStream.makeStream(of: [JobID].self)
            let isOver = DispatchSemaphore(value: 0)
            async let other: ([JobID], [JobID]) = {
                defer { isOver.signal() }
                for await first in held {
                    let second = try await test.queue.claim(two, want: 3).map(\.id)
                    return (first, second)
                }
                return ([], [])
            }()
            // The first one's transaction is open until the second one has claimed.
            try await test.database.system.transaction { sql in
                hold.yield(try sql.query(claim, one.rawValue).map { try $0.decode(JobID.self) })
                hold.finish()
                #expect(isOver.wait(timeout: .now() + 30) == .success)
            }
            let (first, second) = try await other
            #expect(first.count == 3)
            #expect(second.count == 3)
            #expect(Set(first).isDisjoint(with: second))
        }
    }
}
