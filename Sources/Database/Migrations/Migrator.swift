import Logging

/// Brings the schema of a database up to date. Several machines may do so at once.
public struct Migrator: Sendable {
    private let target: LinkTarget
    private let migrations: [Migration]
    private let logger: Logger

    /// - Parameter url: of a role that may change the schema.
    public init(url: String, migrations: [Migration], logger: Logger) {
        target = LinkTarget(url: url, applicationName: "scriptorium-migrate")
        self.migrations = migrations.sorted { $0.number < $1.number }
        self.logger = logger
    }

    private enum SQL {
        // One at a time over all machines. It ends with the transaction: a lock of the session would not survive a
        // PgBouncer in transaction mode.
        static let lock = Statement("migration_lock", "select pg_advisory_xact_lock(7310868732410)")
        static let table = Statement(
            "migration_table",
            """
            create table if not exists scriptorium_migration (
                number int8 primary key,
                name text not null,
                checksum text not null,
                applied_at timestamptz not null default now()
            )
            """)
        static let exists = Statement(
            "migration_exists", "select to_regclass('scriptorium_migration') is not null")
        static let applied = Statement(
            "migration_applied", "select number, name, checksum, applied_at from scriptorium_migration order by number")
        static let insert = Statement(
            "migration_insert", "insert into scriptorium_migration (number, name, checksum) values ($1, $2, $3)")
    }

    private struct Applied {
        let number: Int
        let name: String
        let checksum: String
        let at: Timestamp
    }

    /// Applies what is missing, each migration in its own transaction.
    /// - Parameter progress: gets a line before each migration.
    /// - Returns: what this call has applied.
    /// - Throws: `DatabaseError.Code.schemaMismatch` where an applied migration is not the one of this program, or where
    ///   the database is newer; the server's error where a migration fails, whose transaction is then rolled back.
    @discardableResult
    public func up(progress: @escaping @Sendable (String) -> Void = { _ in }) async throws -> [Migration] {
        try await PosixThread.run("db-migrate") { [self] in
            let link = try Link.open(target)
            var done: [Migration] = []
            while let migration = try step(link, progress) {
                logger.info("migration applied", metadata: ["migration": "\(migration.number) \(migration.name)"])
                done.append(migration)
            }
            return done
        }
    }

    /// What is applied and what is not, in order. Changes nothing.
    public func status() async throws -> [MigrationStatus] {
        try await PosixThread.run("db-migrate") { [self] in
            let link = try Link.open(target)
            let exists = try link.run(SQL.exists, []).rows.first?.decode(Bool.self) ?? false
            let applied = exists ? try applied(link) : []
            var statuses = migrations.map { migration in
                let found = applied.first { $0.number == migration.number }
                return MigrationStatus(
                    number: migration.number, name: migration.name, appliedAt: found?.at,
                    isForeign: found.map { $0.checksum != migration.checksum } ?? false)
            }
            let known = Set(migrations.map(\.number))
            for found in applied where !known.contains(found.number) {
                statuses.append(
                    MigrationStatus(number: found.number, name: found.name, appliedAt: found.at, isForeign: true))
            }
            return statuses.sorted { $0.number < $1.number }
        }
    }

    /// Applies the next missing migration; nil when there is none.
    private func step(_ link: Link, _ progress: (String) -> Void) throws -> Migration? {
        try link.command("BEGIN")
        do {
            _ = try link.run(SQL.lock, [])
            _ = try link.run(SQL.table, [])
            // Only now, behind the lock: another machine may have applied it meanwhile.
            let applied = try applied(link)
            try check(applied)
            guard
                let next = migrations.first(where: { migration in !applied.contains { $0.number == migration.number } })
            else {
                try link.command("COMMIT")
                return nil
            }
            progress("applying migration \(next.number) \(next.name)")
            try link.command(next.sql, name: "migration \(next.number) \(next.name)")
            guard link.isInTransaction else {
                throw DatabaseError(
                    .protocolMisuse, "migration \(next.number) \(next.name) ends the transaction that it runs in")
            }
            _ = try link.run(SQL.insert, [next.number, next.name, next.checksum])
            try link.command("COMMIT")
            return next
        } catch {
            if !link.isBroken, !link.isIdle { _ = try? link.command("ROLLBACK") }
            throw error
        }
    }

    private func applied(_ link: Link) throws -> [Applied] {
        try link.run(SQL.applied, []).rows.map { row in
            let (number, name, checksum, at) = try row.decode(Int.self, String.self, String.self, Timestamp.self)
            return Applied(number: number, name: name, checksum: checksum, at: at)
        }
    }

    private func check(_ applied: [Applied]) throws {
        for found in applied {
            guard let migration = migrations.first(where: { $0.number == found.number }) else {
                throw DatabaseError(
                    .schemaMismatch,
                    "the database is newer than this program: it has migration \(found.number) \(found.name)")
            }
            guard migration.checksum == found.checksum else {
                throw DatabaseError(
                    .schemaMismatch,
                    "migration \(found.number) \(found.name) was applied from another text than this program has: use the program that applied it, or a new database"
                )
            }
        }
    }
}
