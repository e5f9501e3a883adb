import Catalog
import Core
import Database

/// Says of each call whether its tenant's rate has room for it. The bucket is in the database, for all ingresses together;
/// what this one takes out of it goes in batches: while a look is under way, whatever is asked goes with the next.
struct RateLimiter: Sendable {
    private let tokens: TenantTokens
    private let looks: Batcher<TenantTokens.Call, RateStanding>

    /// How long tokens may be used that were taken ahead.
    static let hold = Duration.seconds(3)

    /// - Parameter take: from the buckets in the database, with ``hold`` for what is taken ahead.
    init(
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        take: @escaping @Sendable ([TokenAsk]) async throws -> [TokenGrant]
    ) {
        let tokens = TenantTokens(hold: Self.hold, now: now, take: take)
        self.tokens = tokens
        // All that waits goes at once: no tenant waits for the next batch because another makes many calls.
        looks = Batcher(maxItems: 100_000, lanes: 1, size: { _ in 32 }) { try await tokens.look(for: $0) }
    }

    /// How many calls wait for the next look.
    var waiting: Int { looks.waitingItems }

    /// Takes a token for a call, where there is one.
    /// - Throws: `DatabaseError`
    func standing(of tenant: TenantID, _ rate: CallRate) async throws -> RateStanding {
        if let known = tokens.answer(tenant, rate) { return known }
        return try await looks.submit(TenantTokens.Call(tenant: tenant, rate: rate))
    }
}
