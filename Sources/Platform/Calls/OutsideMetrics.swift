import Metrics

/// What this process counts of scripts' calls that leave the installation.
enum OutsideMetrics {
    private static let counters = Dictionary(
        uniqueKeysWithValues: ["answered", "refused", "failed"].map { outcome in
            (outcome, Counter(label: "scriptorium_outside_calls_total", dimensions: [("outcome", outcome)]))
        })

    static func answered() { counters["answered"]?.increment() }

    /// A call that had no answer.
    /// - Parameter isRefused: whether it was not made, or ended, because of where it leads or what it asks for.
    static func failed(isRefused: Bool) { counters[isRefused ? "refused" : "failed"]?.increment() }
}
