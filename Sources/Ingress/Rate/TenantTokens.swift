import Catalog
import Core
import Synchronization

/// What an ingress holds of the buckets of its tenants.
final class TenantTokens: Sendable {
    struct Call: Sendable {
        let tenant: TenantID
        let rate: CallRate
    }

    /// What becomes of the calls of one tenant.
    private struct Outcome {
        /// How many of them have a token.
        var admitted: Int
        var standing: RateStanding
    }

    private let hold: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let take: @Sendable ([TokenAsk]) async throws -> [TokenGrant]
    private let state = Mutex<[TenantID: HeldTokens]>([:])

    /// So many tenants are remembered. Of one that is forgotten a few tokens are lost.
    static let mostTenants = 20_000

    init(
        hold: Duration, now: @escaping @Sendable () -> ContinuousClock.Instant,
        take: @escaping @Sendable ([TokenAsk]) async throws -> [TokenGrant]
    ) {
        self.hold = hold
        self.now = now
        self.take = take
    }

    /// How many tenants are remembered.
    var count: Int { state.withLock { $0.count } }

    /// Answers a call without a look at the bucket; nil where that is needed.
    func answer(_ tenant: TenantID, _ rate: CallRate) -> RateStanding? {
        let moment = now()
        return state.withLock { $0[tenant]?.answer(rate, at: moment) }
    }

    /// Looks at the buckets for calls of any tenants, and gives how each of them stands.
    func look(for calls: [Call]) async throws -> [RateStanding] {
        let began = now()
        var groups: [TenantID: (count: Int, rate: CallRate)] = [:]
        for call in calls { groups[call.tenant] = ((groups[call.tenant]?.count ?? 0) + 1, call.rate) }
        var (outcomes, asks) = state.withLock { [groups] in Self.plan(groups, &$0, at: began) }
        if !asks.isEmpty {
            let grants = try await take(asks)
            state.withLock { state in
                for (ask, grant) in zip(asks, grants) {
                    var tokens = state[ask.tenant] ?? HeldTokens(ask.rate, at: began)
                    tokens.receive(grant, for: ask, began: began, hold: hold)
                    state[ask.tenant] = tokens
                    outcomes[ask.tenant]?.admitted += grant.granted
                    outcomes[ask.tenant]?.standing = tokens.standing(wait: grant.wait)
                }
            }
        }
        return calls.map { call in
            guard var standing = outcomes[call.tenant]?.standing, let admitted = outcomes[call.tenant]?.admitted else {
                return RateStanding(rate: call.rate, isAdmitted: false, remaining: 0, wait: nil)
            }
            standing.isAdmitted = admitted > 0
            outcomes[call.tenant]?.admitted -= 1
            return standing
        }
    }

    private static func plan(
        _ groups: [TenantID: (count: Int, rate: CallRate)], _ state: inout [TenantID: HeldTokens],
        at began: ContinuousClock.Instant
    ) -> (outcomes: [TenantID: Outcome], asks: [TokenAsk]) {
        var outcomes: [TenantID: Outcome] = [:]
        var asks: [TokenAsk] = []
        for (tenant, (count, rate)) in groups {
            if state[tenant] == nil { makeRoom(&state, at: began) }
            var tokens = state[tenant] ?? HeldTokens(rate, at: began)
            let (served, ask) = tokens.ask(for: count, of: tenant, rate, at: began)
            state[tenant] = tokens
            outcomes[tenant] = Outcome(admitted: served, standing: tokens.standing(wait: .zero))
            if let ask { asks.append(ask) }
        }
        return (outcomes, asks)
    }

    private static func makeRoom(_ state: inout [TenantID: HeldTokens], at moment: ContinuousClock.Instant) {
        guard state.count >= mostTenants else { return }
        state = state.filter { !$0.value.isIdle(at: moment) }
        // Looking through them all for a few would be done again and again.
        if state.count > mostTenants / 2 { state.removeAll() }
    }
}
