import Core

/// What `bench claim` has found.
struct ClaimFigures: Sendable {
    /// The claims of one queue.
    struct Side: Sendable {
        /// Of each claim, as its worker sees it.
        var times: [Duration] = []
        var jobs = 0
        /// The processor time of the server's process.
        var server = Duration.zero
        /// That a claim looks at.
        var buffers = 0.0

        static func += (sum: inout Side, other: Side) {
            sum.times += other.times
            sum.jobs += other.jobs
            sum.server += other.server
        }

        var microseconds: Double { server.seconds * 1e6 / Double(max(1, jobs)) }

        var json: JSONText {
            .object([
                ("claims", .integer(times.count)), ("jobs", .integer(jobs)),
                ("postgres_us_per_job", .rounded(microseconds)), ("buffers_per_claim", .rounded(buffers)),
                ("p50_ms", .rounded(times.quantile(0.5))), ("p99_ms", .rounded(times.quantile(0.99))),
            ])
        }
    }

    var backlog: Int
    var tenants: Int
    /// How many of them are at their cap.
    var capped: Int
    /// When it began.
    var load: Double?
    var large = Side()
    var small = Side()

    private var ratio: Double { large.microseconds / max(small.microseconds, 1e-6) }

    private var goals: [Goal] {
        [.atMost(1.3, "at most 1.3 times the cost with a small backlog", "ratio_to_small", ratio)]
    }

    var json: JSONText {
        .object([
            ("bench", .string("claim")), ("backlog", .integer(backlog)), ("tenants", .integer(tenants)),
            ("capped", .integer(capped)), ("load_average", load.map(JSONText.rounded) ?? .null),
            ("large", large.json), ("small", small.json), ("ratio_to_small", .rounded(ratio)),
            ("goals", .array(goals.map(\.json))),
        ])
    }

    var text: String {
        var table = Table(["", "CLAIMS", "JOBS", "POSTGRES US/JOB", "BUFFERS/CLAIM", "P50 MS", "P99 MS"])
        for (name, side) in [("large", large), ("small", small)] {
            table.add([
                name, "\(side.times.count)", "\(side.jobs)", side.microseconds.shown, side.buffers.shown,
                side.times.quantile(0.5).shown, side.times.quantile(0.99).shown,
            ])
        }
        let lines = [
            "\(backlog) jobs of \(tenants) tenants, \(capped) of them at their cap;"
                + " load average \(load.map(\.shown) ?? "unknown")",
            table.text,
        ]
        return (lines + goals.map(\.text)).joined(separator: "\n")
    }
}
