import Core

/// What `bench execute` has found.
struct ExecuteFigures: Sendable {
    var language: ScriptLanguage
    var isReused: Bool
    var seconds: Double
    var concurrency: Int
    /// When it began.
    var load: Double?
    var rounds = 0
    var hot = Sample()
    var cold = Sample()
    var forks: [Duration] = []

    private var ratio: Double { cold.times.quantile(0.5) / max(hot.times.quantile(0.5), 1e-6) }
    private var cpuRatio: Double { cold.cpuMilliseconds / max(hot.cpuMilliseconds, 1e-6) }
    private var forkRatio: Double { hot.times.quantile(0.5) / max(forks.quantile(0.5), 1e-6) }

    /// Those of one caller; a loaded machine's are no goals.
    private var goals: [Goal] {
        let (slowest, leastRatio): (Double, Double)
        switch (language, isReused) {
        case (.python3, _): (slowest, leastRatio) = (2.5, 8)
        case (.php, _): (slowest, leastRatio) = (1.2, 12)
        case (.nodejs, false): (slowest, leastRatio) = (3, 10)
        case (.nodejs, true): (slowest, leastRatio) = (1, 30)
        case (.python, _), (.v8js, _): return []
        }
        guard concurrency == 1 else { return [] }
        let p50 = hot.times.quantile(0.5)
        return [
            .atMost(slowest, "p50 of at most \(slowest) ms", "p50_ms", p50),
            .atLeast(leastRatio, "at least \(leastRatio) times as fast as cold", "ratio_to_cold", ratio),
        ]
    }

    var json: JSONText {
        .object([
            ("bench", .string("execute")), ("language", .string(language.rawValue)), ("reuse", .bool(isReused)),
            ("seconds", .rounded(seconds)), ("concurrency", .integer(concurrency)), ("rounds", .integer(rounds)),
            ("load_average", load.map(JSONText.rounded) ?? .null),
            ("hot", Self.json(hot)), ("cold", Self.json(cold)),
            (
                "fork",
                .object([
                    ("count", .integer(forks.count)), ("p50_ms", .rounded(forks.quantile(0.5))),
                    ("p99_ms", .rounded(forks.quantile(0.99))),
                ])
            ),
            ("ratio_to_cold", .rounded(ratio)), ("cpu_ratio_to_cold", .rounded(cpuRatio)),
            ("ratio_to_fork", .rounded(forkRatio)),
            ("goals", .array(goals.map(\.json))),
        ])
    }

    private static func json(_ sample: Sample) -> JSONText {
        .object([
            ("jobs", .integer(sample.times.count)), ("p10_ms", .rounded(sample.times.quantile(0.1))),
            ("p50_ms", .rounded(sample.times.quantile(0.5))), ("p99_ms", .rounded(sample.times.quantile(0.99))),
            ("waited_p50_ms", .rounded(sample.waits.quantile(0.5))),
            ("ended_p50_ms", .rounded(sample.wholes.quantile(0.5))),
            ("cpu_ms_per_job", .rounded(sample.cpuMilliseconds)), ("jobs_per_second", .rounded(sample.perSecond)),
            ("jobs_per_second_and_core", .rounded(sample.perSecondAndCore)),
        ])
    }

    var text: String {
        var table = Table([
            "", "JOBS", "P10 MS", "P50 MS", "P99 MS", "ENDED MS", "CPU MS/JOB", "PER S", "PER S AND CORE",
        ])
        for (name, sample) in [("hot", hot), ("cold", cold)] {
            let times = [0.1, 0.5, 0.99].map { sample.times.quantile($0).shown }
            table.add(
                [name, "\(sample.times.count)"] + times
                    + [sample.wholes.quantile(0.5), sample.cpuMilliseconds, sample.perSecond, sample.perSecondAndCore]
                    .map(\.shown))
        }
        table.add(["fork", "\(forks.count)"] + [0.1, 0.5, 0.99].map { forks.quantile($0).shown })
        let kind = isReused ? "\(language.label) with reuse" : language.label
        var lines = [
            "\(kind), \(concurrency == 1 ? "one caller" : "\(concurrency) callers"), \(rounds) rounds in turns;"
                + " load average \(load.map(\.shown) ?? "unknown")",
            table.text,
            "cold takes \(ratio.shown) times as long as hot, and \(cpuRatio.shown) times its CPU time;"
                + " hot takes \(forkRatio.shown) times as long as fork",
        ]
        lines += goals.map(\.text)
        return lines.joined(separator: "\n")
    }
}
