import Catalog
import Core
import Database
import TestSupport
import Testing

/// A day's sums are the same before and after they are kept, and stay when the results are gone.
@Suite struct UsageTests {
    private static let insertJobs = Statement(
        "test_insert_jobs",
        """
        insert into job (id, created_at, tenant, service, service_id, version, method, asynchronous, max_attempts, wall_ms,
            ingress, request)
        select gen_random_uuid(), $2::timestamptz + n * interval '1 second', $1::bigint, 'service-' || n % 2, 1, 1, 'GET',
            false, 1, 1000, 1, repeat('r', n)::bytea
        from generate_series(1, $3::integer) as n
        """)
    private static let insertResults = Statement(
        "test_insert_results",
        """
        insert into result (id, created_at, tenant, status, attempt, worker, started_at, finished_at, cpu_us, response,
            user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes)
        select id, created_at, tenant, 1, 2, 1, created_at, created_at + interval '0.25 seconds', 1000, 'twelve bytes',
            900, 100, 2, 3, 4, 5, 6
        from job
        where tenant = $1::bigint and not exists (select from result r where r.id = job.id and r.created_at = job.created_at)
        limit $2::integer
        """)
    private static let insertAttempts = Statement(
        "test_insert_attempts",
        """
        insert into attempt (id, created_at, tenant, attempt, worker, status, started_at, finished_at, cpu_us,
            user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes)
        select id, created_at, tenant, 1, 1, 5, created_at, created_at + interval '0.5 seconds', 500,
            300, 200, 20, 30, 40, 50, 60
        from result
        where tenant = $1::bigint
        on conflict do nothing
        """)
    private static let close = Statement("test_close_day", "select close_usage_day_1($1::text::date, false)")
    private static let dropResults = Statement("test_drop_results", "delete from result where tenant = $1::bigint")
    private static let dropAttempts = Statement("test_drop_attempts", "delete from attempt where tenant = $1::bigint")
    private static let dropJobs = Statement("test_drop_jobs", "delete from job where tenant = $1::bigint")

    private let day = "2026-03-05"

    private func close(_ here: TestCatalog) async throws -> Bool {
        try await here.database.system.execute(Self.close, [day]).first?.decode(Bool.self) ?? false
    }

    private func insert(_ here: TestCatalog, _ tenant: TenantID, _ jobs: Int32, ended: Int32) async throws {
        guard let noon = Timestamp("\(day)T12:00:00Z") else { return }
        try await here.database.system.transaction { sql in
            try sql.execute(Self.insertJobs, tenant.rawValue, noon, jobs)
            try sql.execute(Self.insertResults, tenant.rawValue, ended)
            try sql.execute(Self.insertAttempts, tenant.rawValue)
        }
    }

    private func sums(_ here: TestCatalog, _ tenant: TenantID) async throws -> [String] {
        try await here.catalog.usage(of: tenant, from: "2026-03-01", to: "2026-03-31").map {
            "\($0.day) \($0.service) \($0.jobs) \($0.attempts) \($0.run.milliseconds) \($0.cpu.microseconds)"
                + " \($0.requestBytes) \($0.responseBytes) \($0.scripts.userCPU.microseconds)"
                + " \($0.scripts.systemCPU.microseconds) \($0.scripts.waited.microseconds) \($0.scripts.apiCalls)"
                + " \($0.scripts.bytesIn) \($0.scripts.bytesOut) \($0.scripts.logBytes)"
        }
    }

    @Test func aDayIsKeptWhenItIsOver() async throws {
        try await TestCatalog.pair { here, there in
            let acme = try await here.tenant("acme").id
            let other = try await here.tenant("other").id
            try await insert(here, acme, 4, ended: 3)
            try await insert(here, other, 1, ended: 1)
            // A day with a job that has not ended is summed anew each time.
            #expect(try await close(here) == false)
            #expect(try await sums(here, acme).count == 2)
            try await insert(here, acme, 0, ended: 10)
            let expected = [
                "2026-03-05 service-0 2 4 1500 3000 6 24 2400 600 44 66 88 110 132",
                "2026-03-05 service-1 2 4 1500 3000 4 24 2400 600 44 66 88 110 132",
            ]
            #expect(try await sums(here, acme) == expected)
            #expect(try await close(here))
            #expect(try await sums(there, acme) == expected)
            // Twice is once.
            #expect(try await close(there))
            #expect(try await sums(here, acme) == expected)
            // The sums outlive what they were made of.
            try await here.database.system.transaction { sql in
                try sql.execute(Self.dropResults, acme.rawValue)
                try sql.execute(Self.dropAttempts, acme.rawValue)
                try sql.execute(Self.dropJobs, acme.rawValue)
            }
            #expect(try await sums(here, acme) == expected)
            #expect(try await close(here), "and are not made again")
            #expect(try await sums(here, acme) == expected)
            #expect(try await sums(here, other) == ["2026-03-05 service-1 1 2 750 1500 1 12 1200 300 22 33 44 55 66"])
        }
    }

    @Test func todayIsNotOver() async throws {
        try await TestCatalog.pair { here, _ in
            let today = try await here.catalog.monthSoFar().today
            #expect(
                try await here.database.system.execute(Self.close, [today]).first?.decode(Bool.self) == false)
        }
    }
}
