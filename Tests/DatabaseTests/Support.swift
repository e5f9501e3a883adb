import Core
import Database
import Logging
import Synchronization
import TestSupport

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A pool on a fresh database.
func openDatabase(
    prepare: Bool = true, connections: Int = 2, waitLimit: Duration = .seconds(6), migrations: [Migration] = []
) async throws -> Database {
    let url = try await TestPostgres.database(migrations: migrations)
    return Database(
        DatabaseOptions(url: url, connections: connections, prepare: prepare, waitLimit: waitLimit), logger: quiet)
}

/// The two roles, and a table under row-level security.
let notes = [
    Migration(
        number: 1, name: "roles",
        sql: """
            do $$ begin create role scriptorium_tenant nologin; exception when duplicate_object then null; end $$;
            do $$ begin create role scriptorium_system nologin; exception when duplicate_object then null; end $$;
            """),
    Migration(
        number: 2, name: "note",
        sql: """
            create table note (
                tenant int8 not null,
                id int8 primary key,
                text text not null check (length(text) < 10),
                parent int8 references note deferrable
            );
            alter table note enable row level security;
            alter table note force row level security;
            create policy own on note to scriptorium_tenant
                using (tenant = nullif(current_setting('app.tenant', true), '')::int8);
            create policy every on note to scriptorium_system using (true);
            grant select, insert, update on note to scriptorium_tenant, scriptorium_system;
            """),
]

enum Note {
    static let insert = Statement("note_insert", "insert into note (tenant, id, text, parent) values ($1, $2, $3, $4)")
    static let all = Statement("note_all", "select id from note order by id")
    static let sleep = Statement("sleep", "select pg_sleep(60)::text")
    static let one = Statement("one", "select 1::int4")
}

/// Opened once, from any thread.
final class Gate: Sendable {
    private let isOpenNow = Mutex(false)
    var isOpen: Bool { isOpenNow.withLock { $0 } }
    func open() { isOpenNow.withLock { $0 = true } }
}

extension Database {
    /// Round trip of one statement.
    func ping() async throws -> Int32? { try await system.execute(Note.one).first?.decode(Int32.self) }

    /// Whether another session of this database is within `pg_sleep`.
    func sleeps() async throws -> Bool {
        let statement = Statement(
            "sleeps",
            """
            select exists (select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep')
            """)
        return try await system.execute(statement).first?.decode(Bool.self) ?? false
    }

    /// Ends all sessions of this database but the one that does it, and waits for their end.
    func terminateOthers() async throws -> Int {
        let statement = Statement(
            "terminate",
            """
            select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
            """)
        return try await system.execute(statement).first?.decode(Int.self) ?? 0
    }
}
