import Core

/// How a call stands to its tenant's rate, as its answer says (contract.md §8; the RateLimit fields of the IETF's HTTPAPI group).
struct RateStanding: Sendable, Hashable {
    let rate: CallRate
    var isAdmitted: Bool
    /// How many more calls could be made now; as far as this ingress knows.
    let remaining: Int
    /// Until there is a token; nil where there never will be.
    let wait: Duration?

    /// Where no token ever comes, the operator may change that.
    private static let longestWait = 3600

    /// Seconds after which another try makes sense.
    private var retryAfter: Int {
        guard let wait else { return Self.longestWait }
        return Int(min(max(wait.seconds.rounded(.up), 1), 86_400))
    }

    /// `RateLimit-Policy` and `RateLimit`
    var headers: [(name: String, value: String)] {
        let window = rate.window
        let (left, seconds) = isAdmitted ? (remaining, window.seconds) : (0, retryAfter)
        return [
            (name: "RateLimit-Policy", value: "\"default\";q=\(window.calls);w=\(window.seconds)"),
            (name: "RateLimit", value: "\"default\";r=\(left);t=\(seconds)"),
        ]
    }

    /// 429 for a call that found no token.
    var refusal: ServiceError? {
        guard !isAdmitted else { return nil }
        let perSecond = JSONText.number(rate.perSecond)
        let burst = JSONText.number(rate.burst)
        let rule =
            rate.refusesAll
            ? "This tenant may make no calls: its rate_per_second is \(perSecond) and its rate_burst \(burst)."
            : "This tenant may make \(perSecond) calls a second, and \(burst) at once (rate_per_second, rate_burst)."
        let advice = wait == nil ? "Its operator can raise them." : "Come back in \(retryAfter) s."
        return ServiceError(
            429, "\(rule) \(advice)",
            context: [
                ("limit", .string("rate_per_second")),
                (
                    "limits",
                    .object([
                        ("rate_per_second", .number(rate.perSecond)), ("rate_burst", .number(rate.burst)),
                    ])
                ),
            ], retryAfter: retryAfter)
    }
}
