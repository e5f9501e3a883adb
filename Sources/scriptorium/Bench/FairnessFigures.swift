import Core

/// What `bench fairness` has found.
struct FairnessFigures: Sendable {
    var seconds: Double
    var slots: Int
    var milliseconds: Double
    var crowd: Int
    /// When it began.
    var load: Double?
    var alone = TenantCrowd.Company()
    var company = TenantCrowd.Company()
    /// How many jobs each of equal tenants got.
    var equals: [Int] = []
    /// And each of those with weights.
    var weighted: [Int] = []
    /// How long each waited for a worker that came last.
    var last: [Duration] = []

    static let lightCount = 9
    static let equalWeights = Array(repeating: 1, count: 8)
    static let unequalWeights = [1, 1, 2, 2, 4, 4]

    /// What each of ten tenants could have, if all ten wanted as much.
    private var share: Double { Double(slots) / (milliseconds / 1000) / Double(Self.lightCount + 1) }
    var lightPerSecond: Double { share / 5 }
    var heavyPerSecond: Double { share * 100 }

    /// Jain's index: 1 where all get the same, one over their number where one gets all.
    static func evenness(_ counts: [Int], _ weights: [Int]) -> Double {
        let parts = zip(counts, weights).map { Double($0) / Double($1) }
        let sum = parts.reduce(0, +)
        let squares = parts.reduce(0) { $0 + $1 * $1 }
        return squares > 0 ? sum * sum / (Double(parts.count) * squares) : 0
    }

    /// Of all light tenants the one that is served worst, against what it got alone.
    private var leastThroughput: Double {
        zip(alone.light, company.light).map { $1.perSecond / max($0.perSecond, 1e-6) }.min() ?? 0
    }

    /// And the one whose slowest jobs are the furthest beyond what they may take, as a part of that.
    private var mostDelay: Double {
        zip(alone.light, company.light).map { alone, company in
            let before = alone.times.quantile(0.99)
            return company.times.quantile(0.99) / max(2 * before, before + 250)
        }.max() ?? .infinity
    }

    private var evenness: Double { Self.evenness(equals, Self.equalWeights) }
    private var weightedEvenness: Double { Self.evenness(weighted, Self.unequalWeights) }

    private var goals: [Goal] {
        [
            .atLeast(
                0.95, "each light tenant at least 0.95 times as many jobs as alone", "light_throughput", leastThroughput
            ),
            .atMost(1, "each p99 within max(2 x alone, alone + 250 ms), as a part of it", "light_p99", mostDelay),
            .atLeast(0.98, "Jain's index among equals at least 0.98", "jain", evenness),
            .atLeast(0.98, "Jain's index by weights at least 0.98", "jain_weighted", weightedEvenness),
            .atMost(
                250, "who comes last among \(crowd) waits at most 250 ms for a worker, p99", "last_ms",
                last.quantile(0.99)),
        ]
    }

    var json: JSONText {
        .object([
            ("bench", .string("fairness")), ("seconds", .rounded(seconds)), ("slots", .integer(slots)),
            ("milliseconds", .rounded(milliseconds)), ("load_average", load.map(JSONText.rounded) ?? .null),
            (
                "light",
                .array(
                    zip(alone.light, company.light).map { alone, company in
                        .object([("alone", Self.json(alone)), ("company", Self.json(company))])
                    })
            ),
            ("heavy_planned_per_second", .rounded(heavyPerSecond)),
            ("heavy_offered_per_second", .rounded(company.heavyOffered)),
            ("heavy_jobs_per_second", .rounded(company.heavyServed)), ("light_throughput", .rounded(leastThroughput)),
            ("light_p99", .rounded(mostDelay)), ("equals", .array(equals.map { .integer($0) })),
            ("jain", .rounded(evenness)), ("weights", .array(Self.unequalWeights.map { .integer($0) })),
            ("weighted", .array(weighted.map { .integer($0) })), ("jain_weighted", .rounded(weightedEvenness)),
            ("crowd", .integer(crowd)),
            ("last", .integer(last.count)), ("last_p50_ms", .rounded(last.quantile(0.5))),
            ("last_ms", .rounded(last.quantile(0.99))),
            ("goals", .array(goals.map(\.json))),
        ])
    }

    private static func json(_ served: TenantCrowd.Served) -> JSONText {
        .object([
            ("jobs", .integer(served.times.count)), ("p50_ms", .rounded(served.times.quantile(0.5))),
            ("p99_ms", .rounded(served.times.quantile(0.99))), ("jobs_per_second", .rounded(served.perSecond)),
        ])
    }

    var text: String {
        var table = Table(["", "ALONE P50 MS", "P99 MS", "PER S", "COMPANY P50 MS", "P99 MS", "PER S"])
        for (index, (alone, company)) in zip(alone.light, company.light).enumerated() {
            let numbers = [alone, company].flatMap { [$0.times.quantile(0.5), $0.times.quantile(0.99), $0.perSecond] }
            table.add(["light \(index + 1)"] + numbers.map(\.shown))
        }
        let lines = [
            "\(slots) slots, \(milliseconds.shown) ms a job; load average \(load.map(\.shown) ?? "unknown")",
            table.text,
            "the heavy tenant offers \(company.heavyOffered.shown) jobs a second of \(heavyPerSecond.shown) planned,"
                + " and gets \(company.heavyServed.shown)",
            "equal tenants get \(equals.map(String.init).joined(separator: ", "))",
            "by weights of \(Self.unequalWeights.map(String.init).joined(separator: ", ")) they get"
                + " \(weighted.map(String.init).joined(separator: ", "))",
            "who comes last among \(crowd) waits \(last.quantile(0.5).shown) ms for a worker, p50",
        ]
        return (lines + goals.map(\.text)).joined(separator: "\n")
    }
}
