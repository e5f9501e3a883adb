import Core
import Database
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite struct ReconnectTests {
    @Test func killedBackendsAreReplaced() async throws {
        let url = try await TestPostgres.database()
        let database = Database(DatabaseOptions(url: url, connections: 4), logger: quiet)
        let other = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        for _ in 0..<5 {
            #expect(try await database.ping() == 1)
            #expect(try await other.terminateOthers() >= 1)
            // Not one of these may fail: nothing had been sent when the connections broke.
            for _ in 0..<8 { #expect(try await database.ping() == 1) }
        }
        await database.close()
        await other.close()
    }

    @Test func workThatBreaksInTheMiddleFails() async throws {
        let url = try await TestPostgres.database()
        let database = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        let other = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        let task = Task { try await database.system.execute(Note.sleep) }
        try await eventually("the statement runs") { try await other.sleeps() }
        #expect(try await other.terminateOthers() == 1)
        let error = await #expect(throws: DatabaseError.self) { try await task.value }
        #expect(error?.code == .connectionLost)
        #expect(try await database.ping() == 1)
        await database.close()
        await other.close()
    }

    @Test func aServerThatSaysNothingIsGivenUp() async throws {
        let url = try await TestPostgres.database(migrations: notes)
        let database = Database(
            DatabaseOptions(url: url, connections: 1, answerLimit: .milliseconds(300)), logger: quiet)
        // What a frozen server looks like from here: no answer, and none to a cancellation.
        let begun = ContinuousClock.now
        let error = await #expect(throws: DatabaseError.self) {
            try await database.system.transaction { try $0.query(Statement("frozen", "select 1 from pg_sleep(60)")) }
        }
        #expect(error?.code == .connectionLost)
        #expect(begun.duration(to: .now) < .seconds(30))
        #expect(try await database.ping() == 1)
        // What is known to be long may be.
        let long = try await database.system.read(limit: .seconds(30)) {
            try $0.query(Statement("long", "select 1 from pg_sleep(0.8)"))
        }
        #expect(long.count == 1)
        await database.close()
    }

    @Test func anIdempotentStatementIsRepeated() async throws {
        let url = try await TestPostgres.database()
        let database = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        let other = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        _ = try await other.system.execute(Statement("tries", "create sequence tries"))
        // Only the first try sleeps.
        let statement = Statement(
            "again", "select case when nextval('tries') = 1 then pg_sleep(60)::text else 'done' end", idempotent: true)
        let task = Task { try await database.system.execute(statement).first?.decode(String.self) }
        try await eventually("the statement runs") { try await other.sleeps() }
        #expect(try await other.terminateOthers() == 1)
        #expect(try await task.value == "done")
        await database.close()
        await other.close()
    }

    @Test func forgottenPlansAreMadeAgain() async throws {
        let database = try await openDatabase(connections: 1)
        #expect(try await database.ping() == 1)
        _ = try await database.system.execute(Statement("discard", "deallocate all"))
        #expect(try await database.ping() == 1)
        await database.close()
    }

    @Test func plansFollowAChangedTable() async throws {
        let database = try await openDatabase(connections: 1)
        let all = Statement("all_columns", "select * from changing")
        for (change, columns) in [
            (Statement("create", "create table changing as select 1::int4 as a"), 1),
            (Statement("alter", "alter table changing add b int4"), 2),
        ] {
            _ = try await database.system.execute(change)
            #expect(try await database.system.execute(all).first?.count == columns)
        }
        await database.close()
    }

    @Test func whileTheServerIsAwayWorkIsRefusedInTime() async throws {
        let port = try freePort()
        let options = EmbeddedPostgresOptions(
            dataDirectory: "\(TestFolder.path)/reconnect", port: port, durable: false)
        let first = try await EmbeddedPostgres.start(options, logger: quiet)
        let url = first.url.replacing(/host=[^&]*/, with: "host=127.0.0.1")
        let database = Database(
            DatabaseOptions(url: url, connections: 2, waitLimit: .milliseconds(300)), logger: quiet)
        try await eventually("the database answers") { (try? await database.ping()) == 1 }
        await first.stop()
        try await eventually("work is refused") {
            do {
                _ = try await database.ping()
                return false
            } catch let error as DatabaseError {
                return error.code == .unavailable
            }
        }
        let second = try await EmbeddedPostgres.start(options, logger: quiet)
        try await eventually("the database answers again") { (try? await database.ping()) == 1 }
        await database.close()
        await second.stop()
    }

    @Test func aClosedDatabaseRefuses() async throws {
        let database = try await openDatabase()
        #expect(try await database.ping() == 1)
        await database.close()
        await database.close()
        let error = await #expect(throws: DatabaseError.self) { try await database.ping() }
        #expect(error?.code == .unavailable)
    }

    @Test func manyTasksShareFewConnections() async throws {
        let database = try await openDatabase(connections: 3)
        let echo = Statement("echo", "select $1::int8")
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 1...500 {
                group.addTask {
                    try await database.system.execute(echo, [number]).first?.decode(Int.self) ?? 0
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 500 * 501 / 2)
        await database.close()
    }
}
