import Core
import Database
import JobQueue
import Logging
import TestSupport
import Testing

/// A program of before 0004 and one of today, on one database: what one accepts the other runs.
@Suite struct RollingTests {
    // What the program of before says, word for word.
    private static let enqueue = Statement(
        "old_enqueue",
        """
        select enqueue_1(array[$1::uuid], array[1]::bigint[], array[7]::bigint[], array[null]::bigint[], array['math'],
            array[3]::bigint[], array[1], array['POST'], array[true], array[3]::smallint[], array[60000],
            array[1]::bigint[], array['\\x010203'::bytea], false)
        """)
    private static let claim = Statement(
        "old_claim",
        """
        select id, created_at, tenant, asynchronous, attempt, max_attempts, service, service_id, version, wall_ms, ingress,
            request
        from claim_1($1::bigint, $2::integer)
        """)
    private static let finish = Statement(
        "old_finish",
        """
        select finish_1($1::bigint, array[$2::uuid], array[1]::smallint[], array[1]::smallint[], array[0]::bigint[],
            array[0]::bigint[], array['\\x09'::bytea], array[now()], false)
        """)
    private static let retry = Statement(
        "old_retry", "select retry_1($1::bigint, $2::uuid, 1::smallint, 2::smallint, 7::bigint, 9::bigint)")
    private static let release = Statement(
        "old_release", "select release_1($1::bigint, array[$2::uuid], true)")
    private static let heartbeat = Statement("old_heartbeat", "select heartbeat_1($1::bigint, '{}'::uuid[])")
    private static let register = Statement(
        "old_register", "insert into worker (name, slots) values ('old', 4) returning id")

    private func id() -> JobID { JobID(milliseconds: UInt64(Timestamp.now.microseconds / 1000)) }

    @Test func theProgramOfBeforeRunsOnBesideThisOne() async throws {
        let url = try await TestPostgres.database(migrations: Array(Migration.embedded.prefix(3)))
        let options = DatabaseOptions(url: url, connections: 2)
        let database = Database(options, logger: quiet)
        let old = try #require(
            try await database.system.execute(Self.register).first?.decode(Int64.self))
        // Accepted, and claimed, before the migration.
        let (waiting, running) = (id(), id())
        _ = try await database.system.execute(Self.enqueue, [running])
        #expect(try await database.system.execute(Self.claim, [old, Int32(1)]).count == 1)
        _ = try await database.system.execute(Self.enqueue, [waiting])

        try await Migrator(url: url, migrations: Migration.embedded, logger: quiet).up()
        try await TestQueue.with(url: url) { test in
            let tenant = TenantID(rawValue: 1)
            // The new program lists and runs what the old one has accepted; the old one ends what it holds.
            #expect(try await test.queue.job(waiting, of: tenant)?.status == .queued)
            let worker = try await test.worker()
            let claimed = try #require(try await test.queue.claim(worker, want: 5).first)
            #expect(claimed.id == waiting)
            #expect(!claimed.retryOnError)
            #expect(try await test.finish(claimed, worker))
            #expect(try await test.database.system.execute(Self.finish, [old, running]).count == 1)
            for job in [waiting, running] {
                #expect(try await test.queue.job(job, of: tenant)?.status == .succeeded)
            }
            // And the other way round, with an attempt that the old one spends.
            let job = test.job(asynchronous: true)
            try await test.queue.enqueue(job)
            #expect(try await test.database.system.execute(Self.heartbeat, [old]).first?.decode(Int64?.self) != nil)
            let theirs = try await test.database.system.execute(Self.claim, [old, Int32(5)])
            #expect(try theirs.map { try $0.decode(JobID.self, at: 0) } == [job.id])
            _ = try await test.database.system.execute(Self.release, [old, job.id])
            #expect(try await test.queue.job(job.id, of: tenant)?.attempt == 1)
            #expect(try await test.numbers("select attempt::int from attempt") == [1])
            // And with one that fails, whose use it knows as one number.
            let failing = test.job(asynchronous: true)
            try await test.queue.enqueue(failing)
            #expect(try await test.database.system.execute(Self.claim, [old, Int32(5)]).count == 1)
            _ = try await test.database.system.execute(Self.retry, [old, failing.id])
            #expect(try await test.numbers("select cpu_us::int from attempt where user_us = 0 and cpu_us > 0") == [7])
            try await test.sql("insert into tenant (name, data_key) values ('acme', 'x')")
            let findings = try await QueueAudit(database: test.database).findings()
            #expect(findings.allSatisfy { $0.count == 0 }, "\(findings.filter { $0.count > 0 })")
        }
        await database.close()
    }

    private static let results = Statement(
        "old_results",
        """
        select id, tenant, status, attempt, started_at, finished_at, cpu_us, peak_memory, response
        from results_1(array[$1::uuid], now() - interval '1 day')
        """)
    private static let usage = Statement(
        "old_usage",
        """
        select jobs, attempts, cpu_us, request_bytes, response_bytes
        from usage_1(1::bigint, current_date - 2, current_date + 2)
        """)

    /// A process that looks for results and sums before 0011 goes on doing so over the same connections after it.
    @Test func whatIsPreparedBeforeTheColumnsAreAddedStillReads() async throws {
        let before = Migration.embedded.filter { $0.number < 11 }
        let url = try await TestPostgres.database(migrations: before)
        let options = DatabaseOptions(url: url, connections: 2)
        let database = Database(options, logger: quiet)
        let old = try #require(try await database.system.execute(Self.register).first?.decode(Int64.self))
        let job = id()
        _ = try await database.system.execute(Self.enqueue, [job])
        _ = try await database.system.execute(Self.claim, [old, Int32(1)])
        // At the same time, so that both connections have them.
        func look() async throws -> [Int] {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 1...20 {
                    group.addTask {
                        let results = try await database.system.execute(Self.results, [job]).count
                        return try await results + database.system.execute(Self.usage).count
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        #expect(try await look() == Array(repeating: 0, count: 20))
        try await Migrator(url: url, migrations: Migration.embedded, logger: quiet).up()
        _ = try await database.system.execute(Self.finish, [old, job])
        #expect(try await look() == Array(repeating: 2, count: 20))
        await database.close()
    }

    private static let claimWithLanguages = Statement(
        "old_claim_2", "select id from claim_2($1::bigint, $2::integer, array[3]::smallint[])")

    /// A program of before 0010 contains nothing: it gets what demands nothing, before and after.
    @Test func theProgramOfBeforeTheTiersGetsWhatDemandsNothing() async throws {
        let url = try await TestPostgres.database(migrations: Array(Migration.embedded.prefix(9)))
        let database = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        let old = try #require(try await database.system.execute(Self.register).first?.decode(Int64.self))
        for tenant in [
            "insert into tenant (name, data_key) values ('easy', 'x')",
            #"insert into tenant (name, quotas, data_key) values ('demanding', '{"min_tier":"C"}', 'x')"#,
        ] as [StaticString] {
            try await database.system.transaction { _ = try $0.execute(Statement(tenant, tenant)) }
        }
        let waiting = id()
        _ = try await database.system.execute(Self.enqueue, [waiting])
        await database.close()
        try await Migrator(url: url, migrations: Migration.embedded, logger: quiet).up()
        try await TestQueue.with(url: url) { test in
            let easy = test.job(asynchronous: true)
            let demanding = test.job(asynchronous: true, tenant: TenantID(rawValue: 2))
            for job in [demanding, easy] { try await test.queue.enqueue(job) }
            let theirs = try await test.database.system.execute(Self.claimWithLanguages, [old, Int32(9)])
            #expect(try theirs.map { try $0.decode(JobID.self) } == [waiting, easy.id])
            #expect(try await test.queue.claim(try await test.worker(), want: 9).isEmpty)
            #expect(try await test.queue.claim(try await test.worker(tier: .c), want: 9).map(\.id) == [demanding.id])
        }
    }

    private static let park = Statement("test_park", "select pg_advisory_xact_lock(7, 1)")
    private static let migrationWaits = Statement(
        "test_migration_waits",
        """
        select exists (
            select from pg_locks l
            where l.database = (select oid from pg_database where datname = current_database())
                and l.relation = 'ready'::regclass and not l.granted)
        """)

    /// Who adds a job has the queue's table first and then the lanes, and a claim has them the other way round.
    @Test func whoIsUnderWayIsNoVictimOfTheMigrationOfTheHeads() async throws {
        let url = try await TestPostgres.database(migrations: Migration.embedded.filter { $0.number < 14 })
        let database = Database(DatabaseOptions(url: url, connections: 4), logger: quiet)
        let parking = try await OpenTransaction(database)
        try await parking.run { _ = try $0.query(Self.park) }
        let adding = try await OpenTransaction(database)
        let job = id()
        let enqueue = try await adding.start { try $0.enqueue(job, of: 1) }
        #expect(!enqueue.hasEnded)
        let migration = Task { try await Migrator(url: url, migrations: Migration.embedded, logger: quiet).up() }
        try await eventually("the migration waits for the job that is added") {
            try await database.system.execute(Self.migrationWaits).first?.decode(Bool.self) == true
        }
        try await parking.commit()
        try await enqueue.value
        try await adding.commit()
        #expect(try await migration.value.count == Migration.embedded.count { $0.number >= 14 })
        await database.close()
        try await TestQueue.with(url: url) { test in
            let worker = try await test.worker()
            #expect(try await test.queue.claim(worker, want: 9).map(\.id) == [job])
        }
    }
}
