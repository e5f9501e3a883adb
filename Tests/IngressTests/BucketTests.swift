import Catalog
import Core
import TestSupport
import Testing

@testable import Ingress

/// The bucket in the database.
@Suite struct BucketTests {
    @Test func theBurstAndThenTheRateIsGranted() async throws {
        try await TestBuckets.with { buckets in
            let rate = CallRate(perSecond: 0.01, burst: 10)
            let first = try await buckets.take(8, rate)
            #expect(first.granted == 8 && first.left >= 2 && first.left < 2.5)
            #expect(try await buckets.take(8, rate).granted == 2)
            let none = try await buckets.take(1, rate)
            #expect(none.granted == 0)
            // A token takes a hundred seconds, of which few are over.
            let wait = try #require(none.wait)
            #expect(wait > .seconds(20) && wait <= .seconds(100))
            try await buckets.age(by: .seconds(350))
            #expect(try await buckets.take(5, rate).granted == 3)
            // It does not overflow.
            try await buckets.age(by: .seconds(100_000))
            #expect(try await buckets.take(50, rate).granted == 10)
        }
    }

    @Test func withoutARateNoTokenEverComes() async throws {
        try await TestBuckets.with { buckets in
            let rate = CallRate(perSecond: 0, burst: 3)
            #expect(try await buckets.take(5, rate).granted == 3)
            try await buckets.age(by: .seconds(100_000))
            let none = try await buckets.take(1, rate)
            #expect(none.granted == 0 && none.wait == nil)
            // The smallest numbers that a quota can have overflow nothing.
            let tiny = CallRate(perSecond: .leastNonzeroMagnitude, burst: .leastNonzeroMagnitude)
            #expect(try await buckets.take(1, tiny).granted == 0)
        }
    }

    /// What ingresses hold for calls to come and what is in the bucket are never more than the burst.
    @Test func whatIsHeldAheadCountsAsTaken() async throws {
        try await TestBuckets.with { buckets in
            let rate = CallRate(perSecond: 500, burst: 1000)
            var held = 0
            for _ in 1...100 {
                let grant = try await buckets.take(1, rate, ahead: 20)
                #expect(grant.granted == 1)
                held += grant.ahead
            }
            #expect(held == 50)
            try await buckets.age(by: .seconds(3600))
            #expect(try await buckets.take(2000, rate).granted == 950)
            // What nobody can use any more is room again.
            try await buckets.age(by: .seconds(3600))
            try await buckets.endHolds()
            #expect(try await buckets.take(2000, rate).granted == 1000)
        }
    }

    @Test func nothingIsLentFromABucketThatIsNearItsEnd() async throws {
        try await TestBuckets.with { buckets in
            let rate = CallRate(perSecond: 0.001, burst: 100)
            #expect(try await buckets.take(40, rate, ahead: 20).ahead == 5)
            try await buckets.endHolds()
            #expect(try await buckets.take(10, rate, ahead: 20).ahead == 0)
        }
    }

    @Test func aChangeOfTheBurstCountsAtOnce() async throws {
        try await TestBuckets.with { buckets in
            #expect(try await buckets.take(50, CallRate(perSecond: 0.001, burst: 100)).granted == 50)
            let lower = CallRate(perSecond: 0.001, burst: 10)
            #expect(try await buckets.take(50, lower).granted == 0)
            // What was used of the larger bucket need not be worked off: the smaller one is merely empty.
            try await buckets.age(by: .seconds(3000))
            #expect(try await buckets.take(50, lower).granted == 3)
            try await buckets.settle()
            #expect(try await buckets.take(50, CallRate(perSecond: 0.001, burst: 15)).granted == 5)
        }
    }

    @Test func whatWasLentBeforeAChangeTakesNoRoomAfterIt() async throws {
        try await TestBuckets.with { buckets in
            #expect(try await buckets.take(1, CallRate(perSecond: 500, burst: 1000), ahead: 50).ahead == 50)
            try await buckets.age(by: .seconds(1))
            let granted = try await buckets.take(50, CallRate(perSecond: 0.001, burst: 19)).granted
            #expect(granted == 19)
        }
    }

    /// For a moment some ingresses know a change and others do not: going to and fro between them brings nothing.
    @Test func whoDoesNotKnowAChangeYetGetsTheLowerOfBoth() async throws {
        try await TestBuckets.with { buckets in
            let large = CallRate(perSecond: 100, burst: 100)
            let small = CallRate(perSecond: 0.001, burst: 10)
            #expect(try await buckets.take(100, large).granted == 100)
            var granted = 0
            for _ in 1...5 {
                granted += try await buckets.take(100, small).granted
                granted += try await buckets.take(100, large).granted
            }
            #expect(granted <= 1)
        }
    }

    @Test func manyTenantsAreServedAtOnceAndEachForItself() async throws {
        try await TestBuckets.with { buckets in
            let rate = CallRate(perSecond: 0.001, burst: 5)
            try await withThrowingTaskGroup(of: [Int].self) { group in
                for order in 0..<8 {
                    let tenants = (1...100).map { TenantID(rawValue: Int64(order % 2 == 0 ? $0 : 101 - $0)) }
                    group.addTask {
                        let asks = tenants.map { TokenAsk(tenant: $0, rate: rate, wanted: 1) }
                        return try await buckets.catalog.takeTokens(asks, hold: RateLimiter.hold).map(\.granted)
                    }
                }
                let granted = try await group.reduce(0) { $0 + $1.reduce(0, +) }
                #expect(granted == 500)
            }
        }
    }
}
