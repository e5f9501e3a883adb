import Core
import Database
import TestSupport
import Testing

@Suite struct CancellationTests {
    @Test func runningWorkIsStoppedByTheServer() async throws {
        let database = try await openDatabase()
        let start = ContinuousClock.now
        let task = Task { try await database.system.execute(Note.sleep) }
        try await eventually("the statement runs") { try await database.sleeps() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(ContinuousClock.now - start < .seconds(20))
        try await eventually("it runs no more") { try await !database.sleeps() }
        await database.close()
    }

    @Test func aCancelledTransactionIsRolledBack() async throws {
        let database = try await openDatabase(migrations: notes)
        let tenant = TenantID(rawValue: 1)
        let task = Task {
            try await database.tenant(tenant).transaction { db in
                try db.execute(Note.insert, tenant, 1, "gone", nil)
                try db.execute(Note.sleep)
            }
        }
        try await eventually("the statement runs") { try await database.sleeps() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await database.system.read { db in try db.query(Note.all).count } == 0)
        await database.close()
    }

    @Test func aBodyThatIsCancelledSendsNoMoreStatements() async throws {
        let database = try await openDatabase(migrations: notes)
        let tenant = TenantID(rawValue: 1)
        let (inside, goOn) = (Gate(), Gate())
        let task = Task {
            try await database.tenant(tenant).transaction { db in
                inside.open()
                while !goOn.isOpen {}
                try db.execute(Note.insert, tenant, 1, "never", nil)
            }
        }
        try await eventually("the body runs") { inside.isOpen }
        task.cancel()
        goOn.open()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await database.system.read { db in try db.query(Note.all).count } == 0)
        await database.close()
    }

    @Test func queuedWorkIsDropped() async throws {
        let database = try await openDatabase(connections: 1, migrations: notes)
        let (inside, goOn) = (Gate(), Gate())
        let busy = Task {
            try await database.system.read { _ in
                inside.open()
                while !goOn.isOpen {}
            }
        }
        try await eventually("the only connection is busy") { inside.isOpen }
        let ran = Gate()
        let queued = Task { try await database.system.read { _ in ran.open() } }
        queued.cancel()
        await #expect(throws: CancellationError.self) { try await queued.value }
        goOn.open()
        try await busy.value
        #expect(try await database.ping() == 1)
        #expect(!ran.isOpen)
        await database.close()
    }

    @Test func aLateCancellationHitsNobodyElse() async throws {
        let database = try await openDatabase(connections: 2)
        let short = Statement("short", "select pg_sleep(0.002)::text")
        for _ in 0..<50 {
            let task = Task { try await database.system.execute(short) }
            async let others = [database.ping(), database.ping(), database.ping()]
            task.cancel()
            _ = await task.result
            #expect(try await others == [1, 1, 1])
        }
        await database.close()
    }

    @Test func whatRunsBehindAPoolerIsStoppedToo() async throws {
        let url = try await TestPostgres.database()
        let bouncer = try await TestBouncer(server: url, poolSize: 2)
        let server = Database(DatabaseOptions(url: url, connections: 1), logger: quiet)
        let database = Database(DatabaseOptions(url: bouncer.url, connections: 3, prepare: false), logger: quiet)
        let task = Task { try await database.system.execute(Note.sleep) }
        try await eventually("the statement runs") { try await server.sleeps() }
        // Others go on meanwhile, over the other connection of the server.
        for _ in 1...3 { #expect(try await database.ping() == 1) }
        let start = ContinuousClock.now
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await eventually("it runs no more") { try await !server.sleeps() }
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(try await database.ping() == 1)
        await database.close()
        await server.close()
        try await bouncer.kill()
    }
}
