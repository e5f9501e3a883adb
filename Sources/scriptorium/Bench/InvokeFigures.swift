import Core

/// What `bench invoke` has found.
struct InvokeFigures: Sendable {
    var language: ScriptLanguage
    var seconds: Double
    var concurrency: Int
    /// When it began.
    var load: Double?
    var rounds = 0
    var hot = Sample()
    var cold = Sample()
    var split: InvokeSplit?

    /// How many times as many calls are answered in the same time.
    private var ratio: Double { hot.perSecond / max(cold.perSecond, 1e-6) }
    private var cpuRatio: Double { cold.cpuMilliseconds / max(hot.cpuMilliseconds, 1e-6) }

    private var goals: [Goal] {
        let p50 = hot.times.quantile(0.5)
        switch (concurrency, language) {
        case (1, .python3): return [.atMost(6, "p50 of at most 6 ms", "p50_ms", p50)]
        case (1, .php): return [.atMost(5, "p50 of at most 5 ms", "p50_ms", p50)]
        case (32, .python3), (32, .php):
            return [.atLeast(8, "at least 8 times as many calls as by a process each", "ratio_to_cold", ratio)]
        default: return []
        }
    }

    var json: JSONText {
        .object([
            ("bench", .string("invoke")), ("language", .string(language.rawValue)), ("seconds", .rounded(seconds)),
            ("concurrency", .integer(concurrency)), ("rounds", .integer(rounds)),
            ("load_average", load.map(JSONText.rounded) ?? .null),
            ("hot", Self.json(hot)), ("split", split?.json ?? .null), ("cold", Self.json(cold)),
            ("ratio_to_cold", .rounded(ratio)), ("cpu_ratio_to_cold", .rounded(cpuRatio)),
            ("goals", .array(goals.map(\.json))),
        ])
    }

    private static func json(_ sample: Sample) -> JSONText {
        .object([
            ("calls", .integer(sample.times.count)), ("p50_ms", .rounded(sample.times.quantile(0.5))),
            ("p95_ms", .rounded(sample.times.quantile(0.95))), ("p99_ms", .rounded(sample.times.quantile(0.99))),
            ("requests_per_second", .rounded(sample.perSecond)),
            ("cpu_ms_per_call", .rounded(sample.cpuMilliseconds)),
        ])
    }

    var text: String {
        var table = Table(["", "CALLS", "P50 MS", "P95 MS", "P99 MS", "PER S", "CPU MS/CALL"])
        for (name, sample) in [("scriptorium", hot), ("process per call", cold)] {
            var figures = [0.5, 0.95, 0.99].map { sample.times.quantile($0) }
            figures += [sample.perSecond, sample.cpuMilliseconds]
            table.add([name, "\(sample.times.count)"] + figures.map(\.shown))
        }
        let callers = concurrency == 1 ? "one caller" : "\(concurrency) callers"
        let load = load?.shown ?? "unknown"
        var lines = ["\(language.label), \(callers), \(rounds) rounds in turns; load average \(load)", table.text]
        if let split { lines.append(split.text) }
        lines.append(
            "a process per call answers one call where scriptorium answers \(ratio.shown), and takes \(cpuRatio.shown)"
                + " times its CPU time")
        return (lines + goals.map(\.text)).joined(separator: "\n")
    }
}
