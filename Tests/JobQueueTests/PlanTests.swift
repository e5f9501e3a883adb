import Core
import Database
import JobQueue
import TestSupport
import Testing

/// How much of its tables the queue looks at, by what PostgreSQL counts of it, whatever they held when its plans were made.
@Suite struct PlanTests {
    /// What a kind of statement has touched.
    private struct Work: Sendable {
        /// The tables that were read from end to end.
        var scanned: [String] = []
        /// How many blocks of tables and indexes were looked at.
        var blocks = 0
    }

    /// The life of ten jobs.
    private struct Life: Sendable {
        var enqueue = Work()
        var claim = Work()
        var finish = Work()
        /// What the next claim has to say.
        var ended: [(tenant: Int64, generation: Int64)] = []

        var works: [(name: String, work: Work)] { [("enqueue", enqueue), ("claim", claim), ("finish", finish)] }
    }

    private static let batch = 10
    /// How many jobs of how many tenants wait.
    private static let sizes: [(jobs: Int, tenants: Int)] = [(0, 0), (300, 30), (100_000, 1000)]

    /// All tables, so that none is forgotten that comes to be.
    private static let scans = Statement(
        "test_scans", "select relname::text, seq_scan from pg_stat_xact_user_tables where schemaname = 'public'")
    private static let blocks = Statement(
        "test_blocks",
        "select sum(pg_stat_get_xact_blocks_fetched(oid))::bigint from pg_class where oid >= 16384 and relkind in ('r', 'i', 't')"
    )

    @Test func `However much waits, a job's life takes the same few blocks`() async throws {
        let url = try await TestPostgres.database(migrations: Migration.embedded)
        let filler = session(url)
        // Statistics are there when the test says so.
        _ = try await filler.system.execute(Self.withoutAutovacuum)
        let worker = try #require(try await filler.system.execute(Self.worker).first?.decode(Int64.self))
        let learned = session(url)
        var ended: [(tenant: Int64, generation: Int64)] = []
        // It has its plans from here on.
        for _ in 0..<6 { ended = try await live(learned, worker, ended).ended }
        var claimed: [Int: [Int]] = [:]
        var filled = 0
        for size in Self.sizes {
            if size.jobs > 0 {
                _ = try await filler.system.execute(
                    QueueSteps.fill, [Int32(size.jobs - filled), Int32(size.tenants)], limit: .seconds(120))
                filled = size.jobs
            }
            for isAnalyzed in [false, true] {
                if isAnalyzed { _ = try await filler.system.execute(Self.analyze, limit: .seconds(60)) }
                let fresh = session(url)
                for (name, session) in [("learned", learned), ("fresh", fresh)] {
                    let life = try await live(session, worker, ended)
                    ended = life.ended
                    for (statement, work) in life.works {
                        #expect(
                            work.scanned.isEmpty,
                            "\(statement) of the \(name) session, \(size.jobs) jobs, statistics: \(isAnalyzed)")
                    }
                    claimed[size.jobs, default: []].append(life.claim.blocks)
                }
                await fresh.close()
            }
        }
        // What is looked for here is seen where it happens.
        let whole = try await filler.system.transaction { sql in
            try Self.work(sql) { _ = try $0.execute(Self.everything) }
        }
        #expect(whole.scanned == ["ready"] && whole.blocks > 1000)
        for session in [learned, filler] { await session.close() }
        let small = try #require(claimed[Self.sizes[1].jobs]?.min())
        let large = try #require(claimed[Self.sizes[2].jobs]?.max())
        #expect(large <= 2 * small + 100, "blocks of a claim")
    }

    private func session(_ url: String) -> Database {
        Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
    }

    private func live(
        _ database: Database, _ worker: Int64, _ ended: [(tenant: Int64, generation: Int64)]
    ) async throws -> Life {
        try await database.system.transaction { sql in
            let jobs = (1...Int64(Self.batch)).map { (id: JobID.new, tenant: $0) }
            var life = Life()
            life.enqueue = try Self.work(sql) { sql in
                for job in jobs { try sql.enqueue(job.id, of: job.tenant) }
            }
            var claimed: [QueueSteps.Claimed] = []
            life.claim = try Self.work(sql) { sql in
                claimed = try sql.claim(worker, want: Self.batch, ended: ended)
            }
            #expect(claimed.count == Self.batch)
            life.finish = try Self.work(sql) { sql in
                for job in claimed {
                    life.ended.append((job.tenant, try #require(try sql.finish(worker, job.job))))
                }
            }
            return life
        }
    }

    /// What `body` has touched. Counts of this transaction, which others do not change.
    private static func work(
        _ sql: borrowing SQLSession, _ body: (borrowing SQLSession) throws -> Void
    ) throws -> Work {
        let before = try counts(sql)
        try body(sql)
        let after = try counts(sql)
        return Work(
            scanned: after.scans.filter { $0.value > before.scans[$0.key] ?? 0 }.keys.sorted(),
            blocks: Int(after.blocks - before.blocks))
    }

    private static func counts(_ sql: borrowing SQLSession) throws -> (scans: [String: Int64], blocks: Int64) {
        var scans: [String: Int64] = [:]
        for row in try sql.query(Self.scans) {
            let (table, count) = try row.decode(String.self, Int64.self)
            scans[table] = count
        }
        return (scans, try sql.query(Self.blocks).first?.decode(Int64.self) ?? 0)
    }

    private static let worker = Statement(
        "test_plan_worker", "insert into worker (name, slots, tier) values ('plans', 10, 3) returning id")
    private static let everything = Statement("test_plan_everything", "select sum(seq) from ready")
    private static let analyze = Statement("test_plan_analyze", "analyze")
    private static let withoutAutovacuum = Statement(
        "test_plan_settings",
        """
        do $$
        declare
            t regclass;
        begin
            for t in select c.oid from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' loop
                execute format('alter table %s set (autovacuum_enabled = false)', t);
            end loop;
        end
        $$
        """)
}
