import Core
import Database
import FoundationEssentials
import Glibc
import Outbound
import TestSupport
import Testing

/// Nothing of one tenant is ever visible to another, and no secret stands anywhere in clear.
@Suite struct TenancyTests {
    private static let mark = "private-word-of-the-first"

    /// A tenant with something in every table, and the paths of what it has.
    private func used(_ tenant: TestTenant) async throws -> [String] {
        var paths: [String] = []
        for number in 0..<6 {
            let saved = try await tenant.save(
                "mine-\(number)", "python3", "print('\(Self.mark)')\nreturn {'word': '\(Self.mark)'}")
            let id = try #require(try JSONText(checking: saved.body)["resource"]?.elements.first?["id"]?.text)
            paths.append("system/service/\(id)")
        }
        let app = try await tenant.administer("POST", "app", #"{"name":"app-of-the-first"}"#)
        paths.append(
            "system/app/\(try #require(try JSONText(checking: app.body)["resource"]?.elements.first?["id"]?.text))")
        let number = try #require(paths.last?.split(separator: "/").last)
        let lookup = #"{"name":"lookup-of-the-first","value":"\#(Self.mark)"}"#
        let rows = #"[{"service":"jobs","component":"*","verb_mask":1}]"#
        for (kind, record) in [
            ("lookup", lookup), ("role", #"{"name":"role-of-the-first","role_service_access_by_role_id":\#(rows)}"#),
            ("user", #"{"email":"user@of-the-first.test","lookup_by_user_id":[\#(lookup)]}"#),
            ("admin", #"{"email":"admin@of-the-first.test"}"#),
        ] {
            let made = try await tenant.administer("POST", kind, record)
            let id = try #require(try JSONText(checking: made.body)["resource"]?.elements.first?["id"]?.text)
            paths.append("system/\(kind)/\(id)")
            guard kind == "user",
                let role = paths.first(where: { $0.hasPrefix("system/role/") })?.split(separator: "/").last
            else { continue }
            let relation = #"{"user_to_app_to_role_by_user_id":[{"app_id":\#(number),"role_id":\#(role)}]}"#
            #expect(try await tenant.administer("PATCH", "user/\(id)", relation).status == 200)
        }
        let done = try await tenant.send(
            "POST", "/api/v2/mine-0", #"{"word":"\#(Self.mark)"}"#,
            headers: [(name: "Idempotency-Key", value: Self.mark)])
        #expect(done.status == 200)
        let waiting = try await tenant.send(
            "POST", "/api/v2/mine-1?delay=3600", "{}", headers: [(name: "Prefer", value: "respond-async")])
        for reply in [done, waiting] { paths.append("jobs/\(try #require(reply.header("X-Scriptorium-Job")))") }
        return paths
    }

    @Test func anothersIdsKeysAndTokensOpenNothing() async throws {
        let installation = try await TestInstallation.shared()
        let first = try await installation.tenant()
        let second = try await installation.tenant()
        let paths = try await used(first)
        let session = [(name: "X-DreamFactory-Session-Token", value: second.token)]
        var tried = 0
        for path in paths {
            let isJob = path.hasPrefix("jobs/")
            for part in isJob ? ["", "/response", "/request", "/logs", "/retry"] : [""] {
                for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                    for headers in isJob ? [[], session] : [session] {
                        let reply = try await second.send(
                            method, "/api/v2/\(path)\(part)", method == "GET" || method == "DELETE" ? nil : "{}",
                            headers: headers)
                        #expect(
                            [404, 405, 400].contains(reply.status),
                            "\(method) \(path)\(part): \(reply.status) \(reply.text)")
                        #expect(reply.status != 400 || method == "PUT" || method == "PATCH" || method == "POST")
                        #expect(!reply.text.contains(Self.mark) && !reply.text.contains("of-the-first"))
                        tried += 1
                    }
                }
            }
        }
        #expect(tried > 50)
        // The other's service is none of ours, and its lists are ours.
        #expect(try await second.send("GET", "/api/v2/mine-0").status == 404)
        for path in [
            "system/service", "system/app", "system/role", "system/user", "system/admin", "system/lookup", "jobs",
            "system/environment",
        ] {
            let reply = try await second.send("GET", "/api/v2/\(path)", headers: session)
            #expect(reply.status == 200)
            #expect(!reply.text.contains("mine-") && !reply.text.contains("of-the-first"))
        }
        // A key and a token of two tenants together are worth nothing.
        for path in ["/api/v2/mine-0", "/api/v2/system/service", "/api/v2/jobs"] {
            let mixed = try await first.send("GET", path, headers: session)
            #expect(mixed.status == 401, "\(mixed.text)")
        }
        // And the first one's things are as they were.
        for path in paths {
            let reply = try await first.send(
                "GET", "/api/v2/\(path)", headers: [(name: "X-DreamFactory-Session-Token", value: first.token)])
            #expect(reply.status == 200, "\(path)")
        }
    }

    private struct Hidden: Sendable, Equatable {
        let table: String
        let rows: Int32
    }

    @Test func rowLevelSecurityAloneHidesEveryTable() async throws {
        let installation = try await TestInstallation.shared()
        let first = try await installation.tenant()
        _ = try await used(first)
        let url = try #require(installation.environment["SCRIPTORIUM_DATABASE_URL"])
        let database = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        // No tenant has this number, so every row is another's.
        let nobody = TenantID(rawValue: 999_999_999)
        @Sendable func rows(_ row: Row) throws -> Hidden {
            let (table, rows) = try row.decode(String.self, Int32.self)
            return Hidden(table: table, rows: rows)
        }
        let statement = Statement(
            "test_foreign_rows",
            """
            select c.relname::text, (xpath('//n/text()', query_to_xml(
                format('select count(*) as n from %I', c.relname), false, true, '')))[1]::text::integer
            from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
                and has_table_privilege(c.oid, 'select')
            order by 1
            """)
        let all = try await database.system.read { try $0.query(statement).map(rows) }
        let filled = Set(all.filter { $0.rows > 0 }.map(\.table))
        let expected: Set = [
            "account", "account_app_role", "app", "delayed", "idempotency", "job", "log", "lookup", "result", "role",
            "role_access", "role_platform_access", "service", "service_version",
        ]
        #expect(filled.isSuperset(of: expected), "\(expected.subtracting(filled))")
        let seen = try await database.tenant(nobody).read { try $0.query(statement).map(rows) }
        #expect(Set(seen.map(\.table)).isSuperset(of: expected))
        #expect(seen.allSatisfy { $0.rows == 0 }, "\(seen.filter { $0.rows > 0 })")
        // Neither can it write there.
        for statement in [
            Statement("test_steal", "update service set tenant = 999999999"),
            Statement("test_drop", "delete from ready"), Statement("test_drop_delayed", "delete from delayed"),
        ] {
            let count = try await database.tenant(nobody).transaction { try $0.execute(statement) }
            #expect(count == 0)
        }
        await #expect(throws: DatabaseError.self) {
            try await database.tenant(nobody).transaction {
                try $0.execute(
                    Statement(
                        "test_forge",
                        """
                        insert into result (id, created_at, tenant, status, attempt, worker, finished_at)
                        values (gen_random_uuid(), now(), 1, 1, 1, 1, now())
                        """))
            }
        }
        await database.close()
    }

    @Test func noSecretStandsAnywhereInClear() async throws {
        let installation = try await TestInstallation.shared()
        let tenant = try await installation.tenant()
        let word = "word-that-only-the-caller-knows-\(tenant.name)"
        try await tenant.save(
            "nosy", "python3",
            """
            import os
            print('prints', event.request.payload.word)
            environment = dict(os.environ)
            found = []
            for name in ['environ', 'cmdline', '../%d/environ' % os.getppid()]:
                try:
                    with open('/proc/self/' + name) as file: found.append(file.read())
                except OSError as error: found.append(str(error))
            return {'word': event.request.payload.word, 'environment': environment, 'found': found}
            """)
        let reply = try await tenant.send(
            "POST", "/api/v2/nosy", #"{"word":"\#(word)"}"#,
            headers: [(name: "X-DreamFactory-Session-Token", value: tenant.token)])
        #expect(reply.status == 200, "\(reply.text)")
        #expect(reply.text.contains(word))

        let environment = installation.environment
        let url = try #require(environment["SCRIPTORIUM_DATABASE_URL"])
        let dump = try await TestProgram(
            path: try EmbeddedPostgres.programs().replacing(/[^\/]+$/, with: "pg_dump"), ["--inserts", "--dbname", url])
        #expect(try await dump.end() == 0, "\(dump.text.suffix(500))")
        #expect(dump.text.contains(tenant.name), "the dump holds the tenant")
        let password = try #require(url.firstMatch(of: /:\/\/[^:]*:([^@]*)@/)?.output.1)
        let secrets = [
            ("API key", tenant.apiKey), ("token", tenant.token), ("password", tenant.password),
            ("operator's token", TestInstallation.operatorToken),
            ("secret key", try #require(environment["SCRIPTORIUM_SECRET_KEY"])),
            ("database's password", String(password)),
        ]
        let places =
            [("dump", dump.text), ("script", reply.text), ("command lines", Self.commandLines())]
            + installation.programs.enumerated().map { ("log \($0.offset)", $0.element.text) }
        for (place, text) in places {
            for (name, secret) in secrets { #expect(!text.contains(secret), "the \(place) holds the \(name)") }
            if place != "script" { #expect(!text.contains(word), "the \(place) holds what the caller sent") }
        }
    }

    /// What `ps` shows of every process.
    private static func commandLines() -> String {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.filter { pid_t($0) != nil }.compactMap { name in
            FileManager.default.contents(atPath: "/proc/\(name)/cmdline").map { String(decoding: $0, as: UTF8.self) }
        }.joined(separator: "\n")
    }
}
