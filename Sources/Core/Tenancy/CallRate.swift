/// How often a tenant may call: a bucket of tokens that fills evenly and holds a burst.
public struct CallRate: Sendable, Hashable {
    /// How many tokens come in a second.
    public var perSecond: Double
    /// How many there are at most, and at the beginning.
    public var burst: Double

    public init(perSecond: Double, burst: Double) {
        // Once in thirty years is never, and keeps what is computed with it in its range.
        self.perSecond = perSecond < 1e-9 ? 0 : perSecond
        self.burst = burst
    }

    /// What the bucket holds: where anything comes in, there is room for one call.
    public var capacity: Double { burst >= 1 ? burst : perSecond > 0 ? 1 : 0 }

    /// Whether there never is a token.
    public var refusesAll: Bool { capacity < 1 }

    /// The rate as whole calls in whole seconds, as a `RateLimit-Policy` names it.
    public var window: (calls: Int, seconds: Int) {
        guard perSecond > 0 else { return (0, 1) }
        // The shortest window with whole calls; a rate that has none is named too low rather than too high.
        for seconds in 1...60 {
            let calls = perSecond * Double(seconds)
            if calls >= 1, abs(calls - calls.rounded()) < 1e-9 * calls { return (Int(calls.rounded()), seconds) }
        }
        if perSecond >= 1 { return (Int(perSecond), 1) }
        return (1, Int(min((1 / perSecond).rounded(.up), 999_999_999)))
    }
}

extension Quotas {
    /// How often the tenant may call; nil for as often as it likes.
    public var callRate: CallRate? {
        guard let ratePerSecond, let rateBurst else { return nil }
        return CallRate(perSecond: ratePerSecond, burst: rateBurst)
    }
}
