import Core
import Database
import Logging
import Outbound
import TestSupport
import Testing

/// A database of a user that is no superuser. Row-level security binds the owner too, so what runs with the owner's rights
/// could find nothing where it should find everything.
@Suite struct OwnerTests {
    private static func open(_ url: String) -> Database {
        Database(
            DatabaseOptions(url: url, connections: 1), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private static let makeRole = Statement(
        "test_role", "create role desk login createrole nosuperuser nobypassrls password 'a-word-of-the-desk'")
    private static let makeOwner = Statement("test_owner", "alter database scriptorium owner to desk")

    private static let makeRoles = Statement(
        "test_roles",
        """
        do $$
        begin
            create role scriptorium_tenant nologin;
            create role scriptorium_system nologin;
            grant scriptorium_tenant, scriptorium_system to desk;
            alter role desk nocreaterole;
        end
        $$
        """)

    /// Gives the database to a new user, and leads there as that one.
    /// - Parameter isReady: the roles that the program needs are there, and this user may make none.
    private static func handOver(_ server: String, isReady: Bool) async throws -> [String: String] {
        let database = open(server)
        for statement in [makeRole, makeOwner] + (isReady ? [makeRoles] : []) {
            _ = try await database.system.execute(statement)
        }
        await database.close()
        return ["SCRIPTORIUM_DATABASE_URL": server.replacing(/scriptorium:\w+@/, with: "desk:a-word-of-the-desk@")]
    }

    private func operate(_ house: BreakableInstallation, _ method: String, _ path: String) async throws -> JSONText {
        let reply = try await house.installation.http.send(
            HTTPCall(
                method: method, url: "\(house.installation.ingresses[0])/operator/tenants/\(path)",
                headers: [(name: "Authorization", value: "Bearer \(TestInstallation.operatorToken)")]))
        #expect(reply.status == 200, "\(reply.text)")
        return try JSONText(checking: reply.body)
    }

    // MARK: What only a superuser sees

    private static let tables = Statement(
        "test_tables",
        """
        with candidate as materialized (
            select c.oid, c.relname
            from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant' and not a.attisdropped
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'catalog_change'
        )
        select c.relname::text from candidate c
        where query_to_xml(
            format('select tenant from %s where tenant = %s limit 1', c.oid::regclass, $1::bigint), true, true, ''
        )::text like '%<tenant>%'
        """)

    /// The tables, partitions included, that have rows of a tenant.
    private func tables(of tenant: Int64, _ server: Database) async throws -> Set<String> {
        Set(try await server.system.execute(Self.tables, [tenant]).map { try $0.decode(String.self) })
    }

    private static let insertJob = Statement(
        "test_insert_job",
        """
        insert into job (id, created_at, tenant, service, service_id, version, method, asynchronous, max_attempts, wall_ms,
            ingress, request)
        values ($1::uuid, $2::timestamptz, $3::bigint, 'old', 1, 1, 'GET', false, 1, 1000, 1, 'sealed')
        """)
    private static let insertResult = Statement(
        "test_insert_result",
        """
        insert into result (id, created_at, tenant, status, attempt, worker, started_at, finished_at, cpu_us)
        values ($1::uuid, $2::timestamptz, $3::bigint, 1, 1, 1, $2::timestamptz, $2::timestamptz + interval '1 second', 7000)
        """)
    private static let insertLog = Statement(
        "test_insert_log",
        """
        insert into log (id, created_at, tenant, attempt, worker, piece, line_count, lines)
        values ($1::uuid, $2::timestamptz, $3::bigint, 1, 1, 1, 1, 'sealed')
        """)

    /// A job that has ended at another time.
    private func insertJob(at text: String, of tenant: Int64, _ server: Database) async throws {
        let moment = try #require(Timestamp(text))
        let id = JobID(milliseconds: 0)
        for statement in [Self.insertJob, Self.insertResult, Self.insertLog] {
            _ = try await server.system.execute(statement, [id, moment, tenant])
        }
    }

    private static let dayBefore = Statement(
        "test_day_before", "select to_char((now() at time zone 'UTC')::date - 3, 'YYYY-MM-DD')")
    private static let makePartitions = Statement(
        "test_partitions",
        """
        do $$
        declare
            parent text;
        begin
            foreach parent in array array['job', 'result', 'log', 'attempt'] loop
                execute format(
                    'create table %1$I partition of %2$I for values from (''2020-01-01Z'') to (''2020-01-02Z'')',
                    parent || '_20200101', parent);
            end loop;
        end
        $$
        """)
    private static let drop = Statement("test_drop", "select drop_partitions_1(604800, 604800)::text")
    private static let closeSome = Statement("test_close", "select close_some_usage_day_1()::text")
    private static let isClosed = Statement(
        "test_is_closed", "select exists (select from usage_day where day = $1::text::date)")
    private static let isThere = Statement("test_is_there", "select to_regclass('job_20200101') is not null")

    // MARK: The test

    @Test(arguments: [false, true]) func anOwnerWithoutOtherRightsWillDo(isReady: Bool) async throws {
        let house = try await BreakableInstallation(ingresses: 1, workers: 1) {
            try await Self.handOver($0, isReady: isReady)
        }
        let server = Self.open(house.databaseURL)
        let owner = Self.open(try #require(house.environment["SCRIPTORIUM_DATABASE_URL"]))
        let rights = Statement(
            "test_rights", "select rolsuper or rolbypassrls from pg_roles where rolname = current_user")
        #expect(try await owner.system.execute(rights).first?.decode(Bool.self) == false)

        // Calls and jobs.
        let tenant = try await house.installation.tenant()
        let other = try await house.installation.tenant()
        var ids: [Int64] = []
        for tenant in [tenant, other] {
            try await tenant.save("echo", "python3", "print('a line')\n" + Load.script)
            let load = Load(tenant)
            try await load.during(callers: 2) {
                try await eventually("calls are answered") { load.now.answered > 10 }
            }
            #expect(load.now.failures.isEmpty, "\(load.now.failures)")
            #expect(try await load.broken(of: tenant).isEmpty)
            let key = [(name: "Idempotency-Key", value: "k")]
            #expect(try await tenant.send("POST", "/api/v2/echo", #"{"n":7}"#, headers: key).text == "7")
            let delayed = [(name: "Prefer", value: "respond-async")]
            #expect(try await tenant.send("POST", "/api/v2/echo?delay=600", "{}", headers: delayed).status == 202)
            ids.append(Int64(try #require(try await operate(house, "GET", tenant.name)["id"]?.integer)))
            #expect(try await operate(house, "GET", "\(tenant.name)/usage")["resource"]?.elements.isEmpty == false)
        }

        // A day past every retention goes, and its sums stay.
        _ = try await owner.system.execute(Self.makePartitions)
        try await insertJob(at: "2020-01-01T10:00:00Z", of: ids[1], server)
        let dropped = try await owner.system.transaction { sql in
            try sql.query(Self.drop).map { try $0.decode(String.self) }
        }
        #expect(dropped == ["2020-01-01"])
        #expect(try await server.system.execute(Self.isThere).first?.decode(Bool.self) == false)
        let old = try await operate(house, "GET", "\(other.name)/usage?from=2020-01-01&to=2020-01-31")
        #expect(old["resource"]?.elements.first?["jobs"]?.integer == 1, "\(old)")

        // A day that is over is summed, also where its jobs are in the partition of those that have none.
        let day = try #require(try await server.system.execute(Self.dayBefore).first?.decode(String.self))
        for id in ids { try await insertJob(at: "\(day)T10:00:00Z", of: id, server) }
        try await eventually("the day is closed", within: .seconds(10)) {
            _ = try await owner.system.execute(Self.closeSome)
            return try await server.system.execute(Self.isClosed, [day]).first?.decode(Bool.self) ?? false
        }
        let sums = try await operate(house, "GET", "\(tenant.name)/usage?from=\(day)&to=\(day)")
        #expect(sums["resource"]?.elements.first?["cpu_ms"]?.integer == 7, "\(sums)")
        #expect(try await house.audit().isEmpty)

        // A deleted tenant is gone from every table, and only that one.
        let before = try await tables(of: ids[0], server)
        for table in [
            "app", "account", "delayed", "idempotency", "job_default", "log_default", "result_default", "usage",
        ] {
            #expect(before.contains(table), "\(before)")
        }
        _ = try await operate(house, "DELETE", tenant.name)
        try await eventually("nothing of it is left", within: .seconds(60)) {
            try await tables(of: ids[0], server).isEmpty
        }
        #expect(try await tables(of: ids[1], server) == before)
        #expect(try await other.send("POST", "/api/v2/echo", #"{"n":8}"#).text == "8")
        #expect(try await house.audit().isEmpty)
        await owner.close()
        await server.close()
        try await house.close()
    }
}
