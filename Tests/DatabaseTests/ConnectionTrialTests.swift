import Glibc
import TestSupport
import Testing

@testable import Database

/// What a program's start makes of a database that does not answer.
@Suite struct ConnectionTrialTests {
    @Test func aServerThatAnswersTellsItsVersion() async throws {
        let trial = await ConnectionTrial.run(url: try await TestPostgres.database())
        guard case .connected(let version, .everything) = trial else {
            Issue.record("not connected")
            return
        }
        #expect(version >= 150_000)
    }

    @Test(arguments: [("transaction", Lasting.nothing), ("session", .everything)])
    func whatLastsBehindAPoolerIsFound(mode: String, expected: Lasting) async throws {
        let bouncer = try await TestBouncer(server: try await TestPostgres.database(), poolSize: 5, mode: mode)
        guard case .connected(_, let lasting) = await ConnectionTrial.run(url: bouncer.url) else {
            Issue.record("not connected")
            return
        }
        #expect(lasting == expected)
        try await bouncer.kill()
    }

    @Test func whatTheServerRefusesIsRefused() async throws {
        let url = try await TestPostgres.database()
        for (wrong, state) in [
            (url.replacing(/scriptorium:[^@]*@/, with: "scriptorium:wrong@"), "28P01"),
            (url.replacing(/@\/[a-z0-9_]+/, with: "@/nowhere"), "3D000"),
        ] {
            guard case .refused(let error) = await ConnectionTrial.run(url: wrong) else {
                Issue.record("\(state) is not refused")
                continue
            }
            #expect(error.sqlState == state)
            #expect(!error.message.contains(state))
        }
    }

    @Test(arguments: [
        "junk", "host=/tmp sslmode=perhaps", "host=h port=70000", "postgres://u:p/w@h/d", "host=h,i port=1,2,3",
    ])
    func whatCanNotBeReadIsRefused(url: String) async throws {
        guard case .refused = await ConnectionTrial.run(url: url) else {
            Issue.record("'\(url)' is not refused")
            return
        }
    }

    @Test func aHostThatIsNotKnownMayBecomeKnown() async throws {
        guard case .doubtful = await ConnectionTrial.run(url: "host=no-such-host.invalid") else {
            Issue.record("not doubtful")
            return
        }
    }

    @Test(arguments: ["host=/nowhere", "host=127.0.0.1 port=1", "host=127.0.0.1,/nowhere port=1"])
    func whereNobodyListensSomebodyMay(url: String) async throws {
        guard case .away = await ConnectionTrial.run(url: url) else {
            Issue.record("'\(url)' is not away")
            return
        }
    }

    @Test func severalServersAreRefusedOnlyWhereAllAre() async throws {
        let url = try await TestPostgres.database().replacing(/scriptorium:[^@]*@/, with: "scriptorium:wrong@")
        let socket = try #require(url.firstMatch(of: /host=([^&]*)/)).1
        let both = url.replacing("host=\(socket)", with: "host=/nowhere,\(socket)").replacing(
            "port=5432", with: "port=1,5432")
        guard case .away = await ConnectionTrial.run(url: both) else {
            Issue.record("not away")
            return
        }
    }

    @Test(arguments: [
        ("postgres://u:p@db.internal/d", "db.internal:5432"), ("host=a,b port=1,2", "a:1, b:2"),
        ("host=a,b port=7", "a:7, b:7"),
        ("postgres://u:p@[::1]:6543/d?sslmode=require", "[::1]:6543"),
        ("host=/run/p user=x password='a b'", "/run/p:5432"),
    ])
    func anAddressIsToldWithoutItsSecrets(url: String, address: String) throws {
        #expect(try DatabaseAddress(url: url).description == address)
    }
}
