import Catalog
import Core
import Database
import Logging
import Synchronization
import TestSupport

@testable import Ingress

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A clock that stands still until it is moved.
final class HandClock: Sendable {
    private let state = Mutex(ContinuousClock.now)

    var now: ContinuousClock.Instant { state.withLock { $0 } }

    func advance(by duration: Duration) { state.withLock { $0 += duration } }
}

/// The buckets of a database of the test's own, and ingresses that take from them.
struct TestBuckets: Sendable {
    let database: Database
    let catalog: Catalog
    let clock = HandClock()
    let tenant = TenantID(rawValue: 1)

    static func with(_ body: (TestBuckets) async throws -> Void) async throws {
        let options = DatabaseOptions(
            url: try await TestPostgres.database(migrations: Migration.embedded), connections: 4)
        let database = Database(options, logger: quiet)
        let catalog = Catalog(
            database: database, listener: Listener(options, logger: quiet),
            keyRing: try SecretKeyRing(base64List: SecretKeyRing.generate()), logger: quiet)
        let buckets = TestBuckets(database: database, catalog: catalog)
        do {
            try await body(buckets)
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    /// An ingress's limiter, by this test's clock.
    /// - Parameter looked: called with what is asked of the database.
    func limiter(_ looked: @escaping @Sendable ([TokenAsk]) async -> Void = { _ in }) -> RateLimiter {
        RateLimiter(now: { [clock] in clock.now }) { [catalog] asks in
            await looked(asks)
            return try await catalog.takeTokens(asks, hold: RateLimiter.hold)
        }
    }

    /// Takes for `wanted` calls, as an ingress that holds nothing.
    func take(_ wanted: Int, _ rate: CallRate, ahead: Int = 0) async throws -> TokenGrant {
        var ask = TokenAsk(tenant: tenant, rate: rate, wanted: wanted)
        ask.ahead = ahead
        return try await catalog.takeTokens([ask], hold: RateLimiter.hold)[0]
    }

    /// Makes the bucket look as if nobody had taken anything for so long; what is held elsewhere is held still.
    func age(by duration: Duration) async throws {
        try await change(
            Statement(
                "test_age_bucket", "update rate_bucket set at = at - make_interval(secs => $1::double precision)"),
            duration)
    }

    /// Makes what is held ahead look as if its time were over.
    func endHolds() async throws {
        try await change(
            Statement(
                "test_end_holds",
                "update rate_bucket set ahead_until = now() - make_interval(secs => $1::double precision)"),
            .seconds(1))
    }

    /// Makes the last change of a quota look as if it were of long ago.
    func settle() async throws {
        try await change(
            Statement(
                "test_settle_bucket",
                "update rate_bucket set changed_at = now() - make_interval(secs => $1::double precision)"),
            .seconds(60))
    }

    private func change(_ statement: Statement, _ duration: Duration) async throws {
        try await database.system.transaction { sql in _ = try sql.execute(statement, duration.seconds) }
    }
}
