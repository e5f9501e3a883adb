import Core
import FoundationEssentials

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

    private struct Goal {
        var name: String
        var key: String
        var value: Double
        var limit: Double
        var isMet: Bool
    }

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
            Goal(
                name: "p50 of at most \(slowest) ms", key: "p50_ms", value: p50, limit: slowest, isMet: p50 <= slowest),
            Goal(
                name: "at least \(leastRatio) times as fast as cold", key: "ratio_to_cold", value: ratio,
                limit: leastRatio, isMet: ratio >= leastRatio),
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
            (
                "goals",
                .array(
                    goals.map {
                        .object([
                            ("goal", .string($0.key)), ("value", .rounded($0.value)), ("limit", .rounded($0.limit)),
                            ("met", .bool($0.isMet)),
                        ])
                    })
            ),
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
            let times = [0.1, 0.5, 0.99].map { Self.shown(sample.times.quantile($0)) }
            table.add(
                [name, "\(sample.times.count)"] + times
                    + [sample.wholes.quantile(0.5), sample.cpuMilliseconds, sample.perSecond, sample.perSecondAndCore]
                    .map(Self.shown))
        }
        table.add(["fork", "\(forks.count)"] + [0.1, 0.5, 0.99].map { Self.shown(forks.quantile($0)) })
        let kind = isReused ? "\(language.label) with reuse" : language.label
        var lines = [
            "\(kind), \(concurrency == 1 ? "one caller" : "\(concurrency) callers"), \(rounds) rounds in turns;"
                + " load average \(load.map(Self.shown) ?? "unknown")",
            table.text,
            "cold takes \(Self.shown(ratio)) times as long as hot, and \(Self.shown(cpuRatio)) times its CPU time;"
                + " hot takes \(Self.shown(forkRatio)) times as long as fork",
        ]
        lines += goals.map { "\($0.isMet ? "met   " : "missed")  \($0.name): \(Self.shown($0.value))" }
        return lines.joined(separator: "\n")
    }

    private static func shown(_ number: Double) -> String {
        number.formatted(number: number >= 100 ? 0 : number >= 10 ? 1 : 2)
    }
}

extension Double {
    /// With so many digits behind the point.
    fileprivate func formatted(number digits: Int) -> String {
        let scale = digits == 0 ? 1.0 : digits == 1 ? 10 : 100
        let text = "\((self * scale).rounded() / scale)"
        return digits == 0 ? String(text.prefix { $0 != "." }) : text
    }
}

extension JSONText {
    /// A number with three digits behind the point.
    fileprivate static func rounded(_ number: Double) -> JSONText {
        JSONText(trusted: "\((number * 1000).rounded() / 1000)")
    }
}
