import Core
import Database
import JobQueue
import TestSupport
import Testing

/// Delays, retries, idempotency keys, cancelling, expiry, lists and retention.
@Suite struct JobTests {
    private func key(_ name: String, _ request: UInt8 = 1, caller: String = "app:7") -> IdempotencyKey {
        IdempotencyKey(caller: caller, key: sha256(name), fingerprint: [request])
    }

    @Test func aWorkerTakesOnlyLanguagesThatItHas() async throws {
        try await TestQueue.with { test in
            let job = test.job()
            try await test.queue.enqueue(job)
            let worker = try await test.worker()
            #expect(try await test.queue.claim(worker, want: 5, languages: [.nodejs, .php], tier: .a).isEmpty)
            #expect(try await test.queue.claim(worker, want: 5, languages: [.python3], tier: .a).map(\.id) == [job.id])
        }
    }

    /// A claim looks for a payload in the partition of its day, however many days are kept.
    @Test func aClaimLooksIntoOneDay() async throws {
        try await TestQueue.with { test in
            try await test.sql(
                """
                with made as (
                    insert into job (id, created_at, tenant, service, service_id, version, method, asynchronous,
                        max_attempts, wall_ms, ingress, request)
                    select gen_random_uuid(), now() + day * interval '1 day', 1, 'math', 3, 1, 'POST', true, 1, 1000, 1, ''
                    from generate_series(0, 2) as day, generate_series(1, 2000)
                    returning id, created_at
                )
                insert into ready (class, tenant, id, created_at, attempt) select 1, 1, id, created_at, 1 from made
                """)
            let worker = try await test.worker()
            try await test.sql("analyze job, ready, run, worker", asOwner: true)
            let jobs = (0..<3).map { _ in test.job() }
            for job in jobs { try await test.queue.enqueue(job) }
            let looks = try await test.database.system.transaction { sql in
                let claim = Statement(
                    "test_claim", "select id from claim_2($1::bigint, 3, array[3]::smallint[])")
                #expect(try sql.query(claim, worker.rawValue).count == jobs.count)
                let looks = Statement(
                    "test_looks",
                    """
                    select coalesce(sum(idx_scan) + sum(seq_scan), 0)::bigint from pg_stat_xact_user_tables
                    where relname ~ '^job_'
                    """)
                return try sql.query(looks).first?.decode(Int64.self)
            }
            #expect(looks == Int64(jobs.count))
        }
    }

    @Test func anIdempotencyKeyHasOneJob() async throws {
        try await TestQueue.with { test in
            var jobs = (0..<8).map { _ in test.job(asynchronous: true) }
            for index in jobs.indices { jobs[index].idempotency = key("one") }
            let outcomes = try await withThrowingTaskGroup(of: Enqueued.self) { group in
                for job in jobs { group.addTask { try await test.queue.enqueue(job) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 == .accepted }.count == 1)
            let claimed = try await test.queue.claim(try await test.worker(), want: 10)
            let first = try #require(claimed.first)
            #expect(claimed.count == 1)
            #expect(outcomes.filter { $0 == .repeated(of: first.id, sameRequest: true) }.count == 7)

            var other = test.job(asynchronous: true)
            other.idempotency = key("one", 2)
            #expect(try await test.queue.enqueue(other) == .repeated(of: first.id, sameRequest: false))
            // Another caller, and another tenant, have keys of their own.
            other.idempotency = key("one", 2, caller: "app:8")
            #expect(try await test.queue.enqueue(other) == .accepted)
            var foreign = test.job(asynchronous: true, tenant: TenantID(rawValue: 2))
            foreign.idempotency = key("one", 2)
            #expect(try await test.queue.enqueue(foreign) == .accepted)
        }
    }

    @Test func anIdempotencyKeyIsForgottenAfterItsDay() async throws {
        try await TestQueue.with { test in
            var first = test.job()
            first.idempotency = key("day")
            try await test.queue.enqueue(first)
            try await test.sql("update idempotency set expires_at = now()")
            var second = test.job()
            second.idempotency = key("day", 2)
            #expect(try await test.queue.enqueue(second) == .accepted)
        }
    }

    @Test func aDelayedJobRunsWhenItsTimeHasCome() async throws {
        try await TestQueue.with { test in
            var later = test.job(asynchronous: true)
            later.start = .after(.seconds(3600))
            var past = test.job(asynchronous: true)
            past.start = .at(Timestamp(microseconds: 0))
            try await test.queue.enqueue(later)
            try await test.queue.enqueue(past)
            let worker = try await test.worker()
            #expect(try await test.queue.claim(worker, want: 5).map(\.id) == [past.id])
            let record = try #require(try await test.queue.job(later.id, of: test.tenant))
            #expect(record.status == .queued)
            #expect(try #require(record.runAt) > record.createdAt + .seconds(3500))
            try await test.sql("update delayed set run_at = now()")
            try await test.whileUpkeep { [later] in
                try await eventually("the job is claimed") {
                    try await test.queue.claim(worker, want: 5).map(\.id) == [later.id]
                }
            }
        }
    }

    @Test func aFailedAttemptIsTriedAgainAfterAPause() async throws {
        try await TestQueue.with { test in
            let job = test.job(asynchronous: true)
            try await test.queue.enqueue(job)
            let worker = try await test.worker()
            let first = try #require(try await test.queue.claim(worker, want: 1).first)
            let next = try await test.queue.retry(
                first, from: worker, lost: false, usage: TestQueue.usage(2))
            #expect(try #require(next) > first.createdAt)
            #expect(try await !test.finish(first, worker), "the attempt is over")
            let again = try await test.queue.retry(first, from: worker, lost: false, usage: AttemptUsage())
            #expect(again == nil, "and can not be repeated twice")
            try await test.sql("update delayed set run_at = now()")
            try await test.whileUpkeep {
                try await eventually("the next attempt is ready") {
                    try await test.numbers("select attempt::int from ready") == [2]
                }
            }
            let second = try #require(try await test.queue.claim(worker, want: 1).first)
            #expect(second.attempt == 2)
            #expect(try await test.finish(second, worker))
            #expect(
                try await test.numbers(
                    """
                    select attempt::int from attempt
                    where status = 2 and cpu_us = 4000 and user_us = 3000 and system_us = 1000 and wall_us = 6002
                        and waited_us = 8004 and api_calls = 10 and bytes_in = 12 and bytes_out = 14 and log_bytes = 16
                        and peak_memory = 1048576
                    """) == [1])
            #expect(try await test.queue.job(job.id, of: test.tenant)?.usage == TestQueue.usage())
        }
    }

    /// What was used before a job was cancelled, or taken over by another worker, is noted afterwards, and changes nothing else.
    @Test func whatAGivenUpRunHasUsedIsNoted() async throws {
        try await TestQueue.with { test in
            let worker = try await test.worker()
            for asynchronous in [false, true] { try await test.queue.enqueue(test.job(asynchronous: asynchronous)) }
            let jobs = try await test.queue.claim(worker, want: 2)
            let (cancelled, lost) = (try #require(jobs.first), try #require(jobs.last))
            // While a run goes on there is nothing to note it at.
            try await test.queue.settle(cancelled, from: worker, usage: TestQueue.usage())
            #expect(try await test.queue.job(cancelled.id, of: test.tenant)?.status == .running)
            #expect(try await test.queue.cancel(cancelled.id, of: test.tenant) == .done)
            try await test.silence(worker)
            try await test.whileUpkeep {
                try await eventually("the worker is given up") { try await !test.exists(worker) }
                try await eventually("its job is back") {
                    try await test.queue.job(lost.id, of: test.tenant)?.status == .queued
                }
            }
            let other = try await test.worker()
            for _ in 1...2 {
                try await test.queue.settle(cancelled, from: worker, usage: TestQueue.usage(2))
                try await test.queue.settle(lost, from: worker, usage: TestQueue.usage(3))
                // It is another one's job.
                try await test.queue.settle(lost, from: other, usage: TestQueue.usage(9))
            }
            let record = try #require(try await test.queue.job(cancelled.id, of: test.tenant))
            #expect(record.status == .cancelled)
            #expect(record.usage == TestQueue.usage(2))
            #expect(record.cpu == .milliseconds(4))
            #expect(try await test.numbers("select api_calls::int from attempt") == [15])
            // An end that a worker has written itself is not touched.
            try await test.queue.enqueue(test.job())
            let third = try #require(try await test.queue.claim(other, want: 1).first)
            #expect(try await test.finish(third, other))
            try await test.queue.settle(third, from: other, usage: TestQueue.usage(9))
            #expect(try await test.queue.job(third.id, of: test.tenant)?.usage == TestQueue.usage())
        }
    }

    @Test(arguments: ["queued", "delayed", "running"])
    func aCancelledJobEnds(place: String) async throws {
        try await TestQueue.with { test in
            var job = test.job(asynchronous: true)
            if place == "delayed" { job.start = .after(.seconds(60)) }
            try await test.queue.enqueue(job)
            let worker = try await test.worker()
            let claimed = place == "running" ? try await test.queue.claim(worker, want: 1) : []
            #expect(try await test.queue.lost(of: claimed.map(\.id), by: worker).isEmpty)
            let result = try await test.waiters.result(of: job.id, limit: .seconds(20)) { [job] in
                let outcome = try await test.queue.cancel(job.id, of: test.tenant)
                #expect(outcome == .done)
                return nil
            }
            #expect(result?.status == .cancelled)
            #expect(try await test.queue.cancel(job.id, of: test.tenant) == .tooLate)
            #expect(try await test.queue.claim(worker, want: 1).isEmpty)
            for attempt in claimed { #expect(try await !test.finish(attempt, worker)) }
            #expect(try await test.queue.lost(of: claimed.map(\.id), by: worker) == claimed.map(\.id))
        }
    }

    @Test func anotherTenantsJobCanNotBeCancelled() async throws {
        try await TestQueue.with { test in
            let job = test.job(asynchronous: true)
            try await test.queue.enqueue(job)
            await #expect(throws: ServiceError.self) {
                try await test.queue.cancel(job.id, of: TenantID(rawValue: 2))
            }
            #expect(try await test.queue.job(job.id, of: test.tenant)?.status == .queued)
        }
    }

    @Test func aJobThatIsNotStartedInTimeExpires() async throws {
        try await TestQueue.with { test in
            let job = test.job()
            try await test.queue.enqueue(job)
            try await test.sql("update ready set start_by = now()")
            #expect(try await test.queue.claim(try await test.worker(), want: 1).isEmpty)
            let result = try await test.waiters.result(of: job.id, limit: .seconds(20)) {
                try await test.upkeep().expire()
                return nil
            }
            #expect(result?.status == .expired)
        }
    }

    @Test func allThatAreLateExpireAtOnce() async throws {
        try await TestQueue.with { test in
            try await test.sql(
                """
                with made as (
                    insert into job (id, created_at, tenant, service, service_id, version, method, asynchronous,
                        max_attempts, wall_ms, ingress, request)
                    select gen_random_uuid(), now(), 1, 'math', 3, 1, 'POST', true, 1, 1000, 1, ''
                    from generate_series(1, 2500)
                    returning id, created_at
                )
                insert into ready (class, tenant, id, created_at, attempt, start_by)
                select 1, 1, id, created_at, 1, now() from made
                """)
            try await test.upkeep().expire()
            #expect(try await test.numbers("select count(*)::int from ready") == [0])
            #expect(try await test.numbers("select count(*)::int from result where status = 4") == [2500])
        }
    }

    /// A job that was put off for a week does not look as if it had waited for a week.
    @Test func whoIsPutOffWaitsFromItsTime() async throws {
        try await TestQueue.with { test in
            try await test.sql(
                """
                with made as (
                    insert into job (id, created_at, tenant, service, service_id, version, method, asynchronous,
                        max_attempts, wall_ms, ingress, request, run_at)
                    select gen_random_uuid(), now() - interval '7 days', 1, 'math', 3, 1, 'POST', true, 1, 1000, 1, '',
                        now() - interval '1 minute'
                    returning id, created_at
                )
                insert into ready (class, tenant, id, created_at, attempt) select 1, 1, id, created_at, 1 from made
                """)
            let depth = try await test.queue.depth()
            #expect(depth.oldest > .seconds(50) && depth.oldest < .seconds(600))
        }
    }

    @Test func theListGoesThroughAllJobsFromTheNewest() async throws {
        try await TestQueue.with { test in
            var ids: [JobID] = []
            for number in 0..<25 {
                var job = test.job(asynchronous: true)
                job.service = number % 2 == 0 ? "even" : "odd"
                try await test.queue.enqueue(job)
                ids.append(job.id)
            }
            let worker = try await test.worker()
            for job in try await test.queue.claim(worker, want: 5) { _ = try await test.finish(job, worker) }
            try await test.queue.enqueue(test.job(asynchronous: true, tenant: TenantID(rawValue: 2)))

            func all(_ change: (inout JobFilter) -> Void) async throws -> [JobID] {
                var filter = JobFilter(since: Timestamp(microseconds: 0), limit: 10)
                change(&filter)
                var found: [JobID] = []
                while true {
                    let page = try await test.queue.jobs(filter, of: test.tenant)
                    #expect(page.jobs.count <= 10)
                    found += page.jobs.map(\.id)
                    guard let next = page.next else { return found }
                    filter.cursor = JobCursor(next.description)
                    try #require(filter.cursor == next)
                }
            }
            #expect(try await all { _ in } == ids.reversed())
            #expect(try await all { $0.service = "odd" }.count == 12)
            #expect(try await all { $0.status = .succeeded } == ids[..<5].reversed())
            #expect(try await all { $0.status = .queued } == ids[5...].reversed())
            #expect(try await all { $0.app = 8 }.isEmpty)
            #expect(try await all { $0.until = Timestamp(microseconds: 0) }.isEmpty)
        }
    }

    @Test func daysPastEveryRetentionAreDropped() async throws {
        try await TestQueue.with { test in
            try await test.sql(
                """
                do $$
                declare day date; parent text;
                begin
                    foreach day in array array[date '2020-01-01', date '2020-01-02', date '2020-01-03', date '2020-01-04'] loop
                        foreach parent in array array['job', 'result', 'log', 'attempt'] loop
                            execute format('create table %I partition of %I for values from (%L) to (%L)',
                                parent || '_' || to_char(day, 'YYYYMMDD'), parent, day::timestamptz,
                                (day + 1)::timestamptz);
                        end loop;
                    end loop;
                end $$
                """, asOwner: true)
            // The second day has a job that waits, the third one that ended a moment ago.
            try await test.sql(
                """
                insert into delayed (run_at, id, created_at, tenant, class, attempt)
                values (now() + interval '1 day', gen_random_uuid(), '2020-01-02 12:00Z', 1, 1, 1)
                """)
            try await test.sql(
                """
                insert into result (id, created_at, tenant, status, attempt, worker, finished_at)
                values (gen_random_uuid(), '2020-01-03 12:00Z', 1, 1, 1, 1, now())
                """)
            // One at a time, so that nobody waits for the sums of the next.
            try await test.sql("select drop_partitions_1(86400, 86400)")
            #expect(try await test.oldDays() == [2, 3, 4])
            try await test.upkeep().drop()
            #expect(try await test.oldDays() == [2, 3])
        }
    }
}
