import Database
import Synchronization
import TestSupport
import Testing

@Suite struct MigratorTests {
    private let first = Migration(
        number: 1, name: "first", sql: "create table a (x int8); insert into a values (1); insert into a values (2);")
    private let second = Migration(number: 2, name: "second", sql: "create table b (x int8);")

    private func migrator(_ url: String, _ migrations: [Migration]) -> Migrator {
        Migrator(url: url, migrations: migrations, logger: quiet)
    }

    @Test func missingMigrationsAreAppliedOnce() async throws {
        let url = try await TestPostgres.database()
        let lines = Mutex<[String]>([])
        let seen = try await migrator(url, [second, first]).up { line in lines.withLock { $0.append(line) } }
        #expect(seen == [first, second])
        #expect(lines.withLock { $0 } == ["applying migration 1 first", "applying migration 2 second"])
        #expect(try await migrator(url, [first, second]).up() == [])
        let third = Migration(number: 3, name: "third", sql: "insert into b select x from a;")
        #expect(try await migrator(url, [first, second, third]).up() == [third])
    }

    @Test func severalMachinesMigrateAtOnce() async throws {
        let url = try await TestPostgres.database()
        let applied = try await withThrowingTaskGroup(of: [Migration].self) { group in
            for _ in 0..<4 { group.addTask { [first, second] in try await migrator(url, [first, second]).up() } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied.sorted { $0.number < $1.number } == [first, second])
    }

    @Test func aChangedMigrationIsRefused() async throws {
        let url = try await TestPostgres.database()
        try await migrator(url, [first]).up()
        let changed = Migration(number: 1, name: "first", sql: first.sql + " ")
        let error = await #expect(throws: DatabaseError.self) { try await migrator(url, [changed, second]).up() }
        #expect(error?.code == .schemaMismatch)
        #expect(try await migrator(url, [changed, second]).status().map(\.isForeign) == [true, false])
    }

    @Test func aNewerDatabaseIsRefused() async throws {
        let url = try await TestPostgres.database()
        try await migrator(url, [first, second]).up()
        let error = await #expect(throws: DatabaseError.self) { try await migrator(url, [first]).up() }
        #expect(error?.code == .schemaMismatch)
        #expect(error?.message.contains("newer than this program") == true)
        #expect(try await migrator(url, [first]).status().map(\.isForeign) == [false, true])
    }

    @Test func aFailedMigrationLeavesNothing() async throws {
        let url = try await TestPostgres.database()
        let broken = Migration(number: 2, name: "broken", sql: "create table c (x int8); select 1/0;")
        let error = await #expect(throws: DatabaseError.self) { try await migrator(url, [first, broken]).up() }
        #expect(error?.sqlState == "22012" && error?.statement == "migration 2 broken")
        let ending = Migration(number: 2, name: "ending", sql: "create table c (x int8); commit;")
        let misuse = await #expect(throws: DatabaseError.self) { try await migrator(url, [first, ending]).up() }
        #expect(misuse?.code == .protocolMisuse)
        #expect(try await migrator(url, [first, second]).status().map { $0.appliedAt != nil } == [true, false])
    }

    @Test func theStatusOfAnEmptyDatabaseChangesNothing() async throws {
        let url = try await TestPostgres.database()
        for _ in 0..<2 {
            let statuses = try await migrator(url, [first, second]).status()
            #expect(statuses.map(\.appliedAt) == [nil, nil] && statuses.map(\.name) == ["first", "second"])
        }
        let database = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        let exists = Statement("exists", "select to_regclass('scriptorium_migration') is not null")
        #expect(try await database.system.execute(exists).first?.decode(Bool.self) == false)
        await database.close()
    }

    @Test func theChecksumIsSHA256() {
        #expect(
            Migration(number: 1, name: "", sql: "abc").checksum
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
