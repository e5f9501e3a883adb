import Core
import Database
import Testing

@Suite struct ErrorTests {
    private let tenant = TenantID(rawValue: 7)

    private func failure(_ parameters: (id: Int64, text: String, parent: Int64?)) async throws -> DatabaseError? {
        let database = try await openDatabase(migrations: notes)
        let error = await #expect(throws: DatabaseError.self) {
            try await database.tenant(tenant).transaction { db in
                try db.execute(Note.insert, tenant, 1, "first", nil)
                try db.execute(Note.insert, tenant, parameters.id, parameters.text, parameters.parent)
            }
        }
        #expect(try await database.ping() == 1)
        await database.close()
        return error
    }

    @Test func aDuplicateNamesItsConstraint() async throws {
        let error = try await failure((1, "again", nil))
        #expect(error?.code == .uniqueViolation && error?.sqlState == "23505" && error?.constraint == "note_pkey")
        #expect(error?.statement == "note_insert")
    }

    @Test func aMissingParentIsAForeignKeyViolation() async throws {
        let error = try await failure((2, "child", 3))
        #expect(error?.code == .foreignKeyViolation && error?.constraint == "note_parent_fkey")
    }

    @Test func aFailedCheckIsOne() async throws {
        let error = try await failure((2, "confidential", nil))
        #expect(error?.code == .checkViolation && error?.constraint == "note_text_check")
        #expect(error.map { !$0.description.contains("confidential") } == true)
    }

    @Test(arguments: [true, false])
    func wrongSQLLeavesTheConnectionUsable(prepare: Bool) async throws {
        let database = try await openDatabase(prepare: prepare, connections: 1)
        let statement = Statement("broken", "select from where")
        let error = await #expect(throws: DatabaseError.self) { try await database.system.execute(statement) }
        #expect(error?.code == .other && error?.sqlState == "42601" && error?.statement == "broken")
        #expect(try await database.ping() == 1)
        await database.close()
    }

    @Test func copyIsRefused() async throws {
        let database = try await openDatabase(prepare: false, connections: 1)
        let statement = Statement("copy", "copy (select 1) to stdout")
        let error = await #expect(throws: DatabaseError.self) { try await database.system.execute(statement) }
        #expect(error?.code == .protocolMisuse)
        #expect(try await database.ping() == 1)
        await database.close()
    }

    @Test func aTimeLimitOfTheServerIsNoCancellationOfOurs() async throws {
        let database = try await openDatabase(migrations: notes)
        let limit = Statement("limit", "select set_config('statement_timeout', '20', true)")
        let error = await #expect(throws: DatabaseError.self) {
            try await database.system.transaction { db in
                try db.execute(limit)
                try db.execute(Note.sleep)
            }
        }
        #expect(error?.code == .cancelled)
        await database.close()
    }

    @Test func aPasswordIsNeverInAMessage() async throws {
        let urls = [
            "postgres://me:topsecret@/x?host=/nonexistent", "postgres://me:topsecret@127.0.0.1:1/x",
            "host=/nonexistent password=topsecret user=me", "postgres://me:topsecret@[x/y", "password topsecret",
        ]
        for url in urls {
            let database = Database(
                DatabaseOptions(url: url, connections: 1, waitLimit: .milliseconds(100)), logger: quiet)
            let error = await #expect(throws: DatabaseError.self) { try await database.ping() }
            #expect(error?.code == .unavailable)
            #expect(error.map { !$0.description.contains("topsecret") } == true)
            await database.close()
        }
    }
}
