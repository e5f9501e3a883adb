import Catalog
import Core

/// What an ingress holds of a tenant's bucket: a value, without clock or database.
struct HeldTokens {
    typealias Instant = ContinuousClock.Instant

    private(set) var rate: CallRate
    /// Taken ahead, and not used yet; until when they may be. By then the bucket counts on their being gone.
    private var held = 0
    private(set) var until: Instant
    /// Taken ahead in all since there were none.
    private var lot = 0
    /// What was in the bucket when it was last seen.
    private var left = 0.0
    /// For so long after the last look nobody has to look whether there is a token.
    private var empty: (until: Instant, tokenAt: Instant?)?

    /// An empty bucket is looked at again after so long at the latest: tokens come back from others, too.
    private static let longestEmpty = Duration.milliseconds(100)
    /// Asked for ahead, so that few calls pay for a look.
    private static let ahead = 20

    init(_ rate: CallRate, at now: Instant) {
        self.rate = rate
        until = now
    }

    /// Whether there is nothing that would be missed.
    func isIdle(at now: Instant) -> Bool { now >= until }

    /// Answers a call without a look at the bucket; nil where that is needed.
    mutating func answer(_ rate: CallRate, at now: Instant) -> RateStanding? {
        guard rate == self.rate else { return nil }
        if held > 0, now < until {
            held -= 1
            return RateStanding(rate: rate, isAdmitted: true, remaining: held + Int(left), wait: .zero)
        }
        guard let empty, now < empty.until else { return nil }
        return RateStanding(
            rate: rate, isAdmitted: false, remaining: 0, wait: empty.tokenAt.map { now.duration(to: $0) })
    }

    /// What a look asks for `calls` that are there, of which what is held serves the first. What can not be used any more,
    /// or was taken under another rate, goes back.
    mutating func ask(for calls: Int, of tenant: TenantID, _ rate: CallRate, at now: Instant) -> (
        served: Int, ask: TokenAsk?
    ) {
        let isFresh = now < until
        let served = isFresh && rate == self.rate ? min(calls, held) : 0
        held -= served
        guard served < calls else { return (served, nil) }
        var ask = TokenAsk(tenant: tenant, rate: rate, wanted: calls - served)
        ask.ahead = Self.ahead
        ask.returned = held
        // Of what is over, or of before a change, the bucket knows by itself.
        ask.settled = isFresh && rate == self.rate ? lot : 0
        held = 0
        lot = 0
        until = now
        empty = nil
        self.rate = rate
        return (served, ask)
    }

    /// Takes in what a look has brought that began at `began`.
    mutating func receive(_ grant: TokenGrant, for ask: TokenAsk, began: Instant, hold: Duration) {
        left = grant.left
        if grant.ahead > 0 {
            held = grant.ahead
            lot = grant.ahead
            until = began + hold
        }
        if grant.granted < ask.wanted {
            empty = (
                began + min(grant.wait ?? Self.longestEmpty, Self.longestEmpty), grant.wait.map { began + $0 }
            )
        }
    }

    /// How a call stands after a look.
    /// - Parameter wait: until there is a token.
    func standing(wait: Duration?) -> RateStanding {
        RateStanding(rate: rate, isAdmitted: true, remaining: held + Int(left), wait: wait)
    }
}
