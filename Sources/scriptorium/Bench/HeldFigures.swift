import Core

/// What `bench held` has found.
struct HeldFigures: Sendable {
    var hold: Double
    var tenants: Int
    /// When it began.
    var load: Double?
    var before = QueueFigures.Part()
    /// The end of the hold.
    var during = QueueFigures.Part()
    var after = QueueFigures.Part()

    private var ratio: Double { during.perSecond / max(before.perSecond, 1e-6) }

    private var goals: [Goal] {
        [.atLeast(0.7, "at least 0.7 times as many jobs a second while it is held", "ratio_during", ratio)]
    }

    private var parts: [(String, QueueFigures.Part)] { [("before", before), ("during", during), ("after", after)] }

    var json: JSONText {
        .object(
            [
                ("bench", .string("held")), ("hold_seconds", .rounded(hold)), ("tenants", .integer(tenants)),
                ("load_average", load.map(JSONText.rounded) ?? .null),
            ]
                + parts.map { name, part in
                    (
                        name,
                        .object([
                            ("jobs", .integer(part.jobs)), ("jobs_per_second", .rounded(part.perSecond)),
                            ("postgres_us_per_job", .rounded(part.serverMicroseconds)),
                        ])
                    )
                } + [("ratio_during", .rounded(ratio)), ("goals", .array(goals.map(\.json)))])
    }

    var text: String {
        var table = Table(["", "JOBS", "PER S", "POSTGRES US/JOB"])
        for (name, part) in parts {
            table.add([name, "\(part.jobs)", part.perSecond.shown, part.serverMicroseconds.shown])
        }
        let lines = [
            "\(tenants == 1 ? "one tenant" : "\(tenants) tenants"), a snapshot held for \(hold.shown) seconds;"
                + " load average \(load.map(\.shown) ?? "unknown")",
            table.text,
        ]
        return (lines + goals.map(\.text)).joined(separator: "\n")
    }
}
