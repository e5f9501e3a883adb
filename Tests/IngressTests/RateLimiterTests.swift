import Catalog
import Core
import Database
import Synchronization
import TestSupport
import Testing

@testable import Ingress

/// What an ingress takes out of the buckets, and when.
@Suite struct RateLimiterTests {
    private static let usual = CallRate(perSecond: 500, burst: 1000)

    /// Notes what is asked of the database.
    private final class Looks: Sendable {
        private let state = Mutex<[TokenAsk]>([])
        var asks: [TokenAsk] { state.withLock { $0 } }
        func note(_ asks: [TokenAsk]) { state.withLock { $0 += asks } }
    }

    /// How many of `count` calls are admitted, all at the same time, by the limiters in turn.
    private func admitted(
        _ count: Int, _ rate: CallRate, _ tenant: TenantID, _ limiters: [RateLimiter]
    ) async throws -> Int {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<count {
                group.addTask {
                    try await limiters[number % limiters.count].standing(of: tenant, rate).isAdmitted
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
    }

    /// A burst, by how many ingresses it is used, and by how many calls.
    @Test(arguments: [(10.0, 2, 40), (10, 5, 40), (1000, 4, 3000), (1, 3, 9), (2.5, 2, 9)])
    func exactlyTheBurstPasses(burst: Double, ingresses: Int, calls: Int) async throws {
        try await TestBuckets.with { buckets in
            let limiters = (0..<ingresses).map { _ in buckets.limiter() }
            let rate = CallRate(perSecond: 0.0001, burst: burst)
            let passed = try await admitted(calls, rate, buckets.tenant, limiters)
            #expect(passed == Int(burst))
        }
    }

    /// What one ingress holds ahead another can not have: then less passes for a while, and never more.
    @Test func oneCallAfterTheOtherPassesExactlyTheBurstToo() async throws {
        try await TestBuckets.with { buckets in
            let limiters = [buckets.limiter(), buckets.limiter()]
            let rate = CallRate(perSecond: 0.0001, burst: 200)
            var admitted = 0
            for number in 0..<300 where try await limiters[number % 2].standing(of: buckets.tenant, rate).isAdmitted {
                admitted += 1
            }
            #expect(admitted == 200)
        }
    }

    @Test func aLightTenantPaysForALookNowAndThen() async throws {
        try await TestBuckets.with { buckets in
            let looks = Looks()
            let limiter = buckets.limiter { looks.note($0) }
            for number in 1...20 {
                let standing = try await limiter.standing(of: buckets.tenant, Self.usual)
                #expect(standing.isAdmitted && standing.remaining == 1000 - number)
            }
            #expect(looks.asks.count == 1)
        }
    }

    @Test func whatIsAskedDuringALookGoesWithTheNext() async throws {
        try await TestBuckets.with { buckets in
            let looks = Looks()
            let (opened, opening) = AsyncStream.makeStream(of: Void.self)
            let limiter = buckets.limiter { asks in
                looks.note(asks)
                // The first look lasts until the others wait.
                if looks.asks.count == 1 { for await _ in opened { break } }
            }
            // Nothing is lent of so small a bucket.
            let rate = CallRate(perSecond: 0.0001, burst: 15)
            let tenant = buckets.tenant
            let first = Task { try await limiter.standing(of: tenant, rate).isAdmitted }
            try await eventually("the first looks") { looks.asks.count == 1 }
            let others = (0..<50).map { _ in Task { try await limiter.standing(of: tenant, rate).isAdmitted } }
            try await eventually("the others wait") { limiter.waiting == 50 }
            opening.yield()
            #expect(try await first.value)
            var admitted = 0
            for other in others where try await other.value { admitted += 1 }
            #expect(admitted == 14)
            #expect(looks.asks.map(\.wanted) == [1, 50])
        }
    }

    @Test func whatIsNotUsedInTimeGoesBack() async throws {
        try await TestBuckets.with { buckets in
            let looks = Looks()
            let limiter = buckets.limiter { looks.note($0) }
            let rate = CallRate(perSecond: 0.0001, burst: 1000)
            for _ in 1...5 { _ = try await limiter.standing(of: buckets.tenant, rate) }
            buckets.clock.advance(by: RateLimiter.hold)
            try await buckets.endHolds()
            let standing = try await limiter.standing(of: buckets.tenant, rate)
            // Five calls of one look, and this one.
            #expect(standing.remaining == 994)
            #expect(looks.asks.map(\.returned) == [0, 16])
            #expect(looks.asks.map(\.settled) == [0, 0])
            // Those that are used up in time are told, so that others may be lent.
            for _ in 1...21 { _ = try await limiter.standing(of: buckets.tenant, rate) }
            #expect(looks.asks.last?.settled == 20 && looks.asks.last?.returned == 0)
        }
    }

    @Test func anEmptyBucketIsNotLookedIntoForEveryCall() async throws {
        try await TestBuckets.with { buckets in
            let looks = Looks()
            let limiter = buckets.limiter { looks.note($0) }
            let rate = CallRate(perSecond: 0.01, burst: 1)
            #expect(try await limiter.standing(of: buckets.tenant, rate).isAdmitted)
            for _ in 1...50 { #expect(try await !limiter.standing(of: buckets.tenant, rate).isAdmitted) }
            #expect(looks.asks.count == 2)
            buckets.clock.advance(by: .milliseconds(100))
            try await buckets.age(by: .seconds(100))
            #expect(try await limiter.standing(of: buckets.tenant, rate).isAdmitted)
        }
    }

    @Test func aNewRateCountsWithTheNextCall() async throws {
        try await TestBuckets.with { buckets in
            let looks = Looks()
            let limiter = buckets.limiter { looks.note($0) }
            #expect(try await limiter.standing(of: buckets.tenant, Self.usual).isAdmitted)
            // What is held of before is not used.
            let none = CallRate(perSecond: 0, burst: 0)
            #expect(try await !limiter.standing(of: buckets.tenant, none).isAdmitted)
            #expect(looks.asks.last?.returned == 20)
            let few = CallRate(perSecond: 0.0001, burst: 3)
            try await buckets.settle()
            #expect(try await admitted(10, few, buckets.tenant, [limiter]) == 3)
        }
    }

    @Test func aLookThatFailsIsAnErrorAndTheNextOneLooksAgain() async throws {
        let fails = Mutex(true)
        try await TestBuckets.with { buckets in
            let limiter = RateLimiter(now: { buckets.clock.now }) { asks in
                if fails.withLock({ $0 }) { throw DatabaseError(.unavailable, "away") }
                return try await buckets.catalog.takeTokens(asks, hold: RateLimiter.hold)
            }
            let tenant = buckets.tenant
            await #expect(throws: DatabaseError.self) { try await limiter.standing(of: tenant, Self.usual) }
            fails.withLock { $0 = false }
            let again = try await limiter.standing(of: tenant, Self.usual)
            #expect(again.isAdmitted)
        }
    }

    @Test func onlySoManyTenantsAreRemembered() async throws {
        try await TestBuckets.with { buckets in
            let tokens = TenantTokens(hold: RateLimiter.hold, now: { buckets.clock.now }) { asks in
                try await buckets.catalog.takeTokens(asks, hold: RateLimiter.hold)
            }
            for part in 0..<3 {
                let calls = (1...10_000).map { number in
                    TenantTokens.Call(tenant: TenantID(rawValue: Int64(part * 10_000 + number)), rate: Self.usual)
                }
                let standings = try await tokens.look(for: calls)
                let admitted = standings.filter(\.isAdmitted).count
                #expect(admitted == calls.count)
                #expect(tokens.count <= TenantTokens.mostTenants)
            }
        }
    }

    /// A rate, how a call stands to it, and the two headers.
    @Test(arguments: [
        (CallRate(perSecond: 500, burst: 1000), true, 999, Duration.zero, "q=500;w=1", "r=999;t=1"),
        (CallRate(perSecond: 500, burst: 1000), false, 0, .milliseconds(2), "q=500;w=1", "r=0;t=1"),
        (CallRate(perSecond: 0.01, burst: 10), true, 3, .zero, "q=1;w=100", "r=3;t=100"),
        (CallRate(perSecond: 0.01, burst: 10), false, 0, .seconds(42.1), "q=1;w=100", "r=0;t=43"),
        (CallRate(perSecond: 2.5, burst: 10), false, 0, .seconds(0.4), "q=5;w=2", "r=0;t=1"),
        (CallRate(perSecond: 0, burst: 0), false, 0, nil, "q=0;w=1", "r=0;t=3600"),
    ])
    func theHeadersSayIt(
        rate: CallRate, isAdmitted: Bool, remaining: Int, wait: Duration?, policy: String, limit: String
    ) {
        let standing = RateStanding(rate: rate, isAdmitted: isAdmitted, remaining: remaining, wait: wait)
        #expect(standing.headers.map(\.name) == ["RateLimit-Policy", "RateLimit"])
        #expect(standing.headers.map(\.value) == ["\"default\";\(policy)", "\"default\";\(limit)"])
        #expect((standing.refusal == nil) == isAdmitted)
        #expect(
            standing.refusal.map { "t=\($0.retryAfter ?? -1)" }
                == (isAdmitted ? nil : limit.split(separator: ";").last.map(String.init)))
    }
}
