import Core
import Database
import TestSupport
import Testing

@Suite struct ScopeTests {
    private let one = TenantID(rawValue: 1)
    private let two = TenantID(rawValue: 2)

    /// One note of each of two tenants.
    private func filled(prepare: Bool = true) async throws -> Database {
        let database = try await openDatabase(prepare: prepare, migrations: notes)
        for tenant in [one, two] {
            try await database.tenant(tenant).transaction { db in
                _ = try db.execute(Note.insert, tenant, tenant.rawValue * 10, "mine", Int64?.none)
            }
        }
        return database
    }

    @Test(arguments: [true, false])
    func aTenantSeesItsOwnRowsOnly(prepare: Bool) async throws {
        let database = try await filled(prepare: prepare)
        for tenant in [one, two] {
            let ids = try await database.tenant(tenant).read { db in
                try db.query(Note.all).map { try $0.decode(Int64.self) }
            }
            #expect(ids == [tenant.rawValue * 10])
        }
        let all = try await database.system.read { db in try db.query(Note.all).map { try $0.decode(Int64.self) } }
        #expect(all == [10, 20])
        await database.close()
    }

    @Test func aTenantCanNotWriteForAnother() async throws {
        let database = try await filled()
        let error = await #expect(throws: DatabaseError.self) {
            try await database.tenant(one).transaction { db in try db.execute(Note.insert, two, 99, "theirs", nil) }
        }
        #expect(error?.code == .insufficientPrivilege)
        let steal = Statement("steal", "update note set text = 'stolen' where id = 20")
        let count = try await database.tenant(one).transaction { db in try db.execute(steal) }
        #expect(count == 0)
        await database.close()
    }

    @Test func roleAndTenantEndWithTheTransaction() async throws {
        let database = try await openDatabase(connections: 1, migrations: notes)
        let who = Statement("who", "select current_user::text, coalesce(current_setting('app.tenant', true), '')")
        let inside = try await database.tenant(one).read { db in
            try db.query(who).map { try $0.decode(String.self, String.self) }
        }
        #expect(inside.first?.0 == "scriptorium_tenant" && inside.first?.1 == "1")
        let system = try await database.system.read { db in
            try db.query(who).map { try $0.decode(String.self, String.self) }
        }
        #expect(system.first?.0 == "scriptorium_system" && system.first?.1 == "")
        let after = try #require(try await database.system.execute(who).first).decode(String.self, String.self)
        #expect(after == ("scriptorium", ""))
        await database.close()
    }

    @Test func aReadCanNotWrite() async throws {
        let database = try await filled()
        let error = await #expect(throws: DatabaseError.self) {
            try await database.tenant(one).read { db in try db.execute(Note.insert, one, 11, "more", nil) }
        }
        #expect(error?.sqlState == "25006")
        #expect(try await database.ping() == 1)
        await database.close()
    }

    @Test func aThrowingBodyRollsBack() async throws {
        struct Stop: Error {}
        let database = try await openDatabase(connections: 1, migrations: notes)
        await #expect(throws: Stop.self) {
            try await database.tenant(one).transaction { db in
                try db.execute(Note.insert, one, 12, "gone", nil)
                throw Stop()
            }
        }
        let ids = try await database.system.read { db in try db.query(Note.all).count }
        #expect(ids == 0)
        await database.close()
    }

    @Test func aSwallowedFailureIsNotACommit() async throws {
        let database = try await openDatabase(connections: 1, migrations: notes)
        let error = await #expect(throws: DatabaseError.self) {
            try await database.tenant(one).transaction { db in
                try db.execute(Note.insert, one, 13, "first", nil)
                _ = try? db.execute(Note.insert, one, 13, "second", nil)
            }
        }
        #expect(error?.code == .protocolMisuse)
        #expect(try await database.system.read { db in try db.query(Note.all).count } == 0)
        await database.close()
    }
}
