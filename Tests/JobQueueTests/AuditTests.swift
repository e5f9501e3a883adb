import Core
import JobQueue
import TestSupport
import Testing

/// The audit finds what it looks for, and nothing in a queue that was only used.
@Suite struct AuditTests {
    private func broken(_ test: TestQueue) async throws -> [String] {
        try await QueueAudit(database: test.database).findings().filter { $0.count > 0 }.map(\.name)
    }

    /// A tenant's row, and a job in each of its places.
    private func used(_ test: TestQueue) async throws {
        try await test.sql("insert into tenant (name, data_key) values ('acme', 'x')")
        let worker = try await test.worker()
        for step in 0..<6 {
            var job = test.job(asynchronous: true)
            if step == 0 { job.start = .after(.seconds(3600)) }
            job.idempotency = IdempotencyKey(caller: "app:7", key: [UInt8(step)], fingerprint: [])
            try await test.queue.enqueue(job)
            if step < 2 { continue }
            let claimed = try await test.queue.claim(worker, want: 1)
            guard let first = claimed.first else { continue }
            switch step {
            case 2: _ = try await test.finish(first, worker)
            case 3:
                _ = try await test.queue.retry(first, from: worker, lost: false, usage: AttemptUsage())
            case 4: _ = try await test.queue.cancel(first.id, of: test.tenant)
            default: break
            }
        }
    }

    @Test func aQueueThatWasUsedIsSound() async throws {
        try await TestQueue.with { test in
            try await used(test)
            #expect(try await broken(test).isEmpty)
        }
    }

    /// What caps were is kept for as long as runs are, and the last one from before.
    @Test func oldCapsAreForgotten() async throws {
        try await TestQueue.with { test in
            try await used(test)
            try await test.sql(
                """
                insert into cap_change (tenant, service, cap, changed_at)
                select 1, 0, days, now() - days * interval '1 day' from unnest('{4000,3999,1}'::int[]) as days
                """)
            try await test.upkeep().drop()
            #expect(
                try await test.numbers("select cap from cap_change where tenant = 1 order by changed_at") == [
                    3999, 1, 10,
                ])
            #expect(try await broken(test).isEmpty)
        }
    }

    private static let damages: [(StaticString, String)] = [
        ("delete from delayed", "one_place"),
        (
            """
            insert into result (id, created_at, tenant, status, attempt, worker, finished_at)
            select id, created_at, tenant, 1, 0, 0, now() from delayed
            """, "one_place"
        ),
        ("update run set created_at = created_at - interval '1 second'", "no_orphans"),
        ("update run set tenant = 2", "one_tenant"),
        ("delete from attempt", "attempts"),
        ("update run set attempt = 3", "attempts"),
        (
            """
            with day as (insert into usage_day (day) select distinct (created_at at time zone 'UTC')::date from job returning day)
            insert into usage (tenant, day, service, jobs, attempts, run_us, cpu_us, request_bytes, response_bytes)
            select 1, day, 'math', 9, 9, 0, 0, 0, 0 from day
            """, "usage"
        ),
        ("update idempotency set job = gen_random_uuid()", "idempotency"),
        ("update lane set in_flight = 0", "in_flight"),
        ("update lane set in_flight = 9, touched_at = now() - interval '1 minute'", "in_flight"),
        ("update cap_change set cap = 0, changed_at = '-infinity'", "caps"),
    ]

    @Test(arguments: damages.indices) func whatIsBrokenIsFound(index: Int) async throws {
        let (damage, name) = Self.damages[index]
        try await TestQueue.with { test in
            try await used(test)
            try await test.sql(damage)
            #expect(try await broken(test).contains(name))
        }
    }

    /// What lanes count is put right, and a job that nobody would look for is found again.
    @Test func lanesAreRepaired() async throws {
        try await TestQueue.with { test in
            try await used(test)
            let job = test.job(asynchronous: true)
            try await test.queue.enqueue(job)
            try await test.sql("update lane set kinds = 0, in_flight = 9, touched_at = now() - interval '1 minute'")
            #expect(try await broken(test) == ["in_flight", "parked"])
            #expect(try await QueueAudit(database: test.database).repair() > 0)
            #expect(try await broken(test).isEmpty)
            #expect(try await test.queue.claim(try await test.worker(), want: 9).map(\.id).contains(job.id))
        }
    }
}
