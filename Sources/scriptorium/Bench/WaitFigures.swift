import Core

/// What `bench wait` has found.
struct WaitFigures: Sendable {
    let waiters: Int
    /// The ingress's resident memory, and the most of it while they wait.
    var bytesBefore = 0
    var bytesWaiting = 0
    /// The ingress's connections to the database while a tenth waits, and while all do.
    var connections: [Int] = []
    /// From the first claim to the last answer.
    var seconds = 0.0
    /// When it began.
    var load: Double?

    private var kilobytesEach: Double { Double(bytesWaiting - bytesBefore) / Double(waiters) / 1000 }
    private var few: Int { connections.first ?? 0 }
    private var all: Int { connections.last ?? 0 }

    private var goals: [Goal] {
        [
            .atMost(25, "at most 25 KB a waiter", "kb_per_waiter", kilobytesEach),
            .atMost(
                Double(few), "no more database connections than for a tenth of them (\(few))", "connections",
                Double(all)),
        ]
    }

    var json: JSONText {
        .object([
            ("bench", .string("wait")), ("waiters", .integer(waiters)),
            ("load_average", load.map(JSONText.rounded) ?? .null),
            ("kb_per_waiter", .rounded(kilobytesEach)), ("ingress_mb_before", .rounded(Double(bytesBefore) / 1e6)),
            ("ingress_mb_waiting", .rounded(Double(bytesWaiting) / 1e6)), ("memory", .string("RSS")),
            ("connections_of_a_tenth", .integer(few)), ("connections", .integer(all)),
            ("seconds_to_answer_all", .rounded(seconds)), ("goals", .array(goals.map(\.json))),
        ])
    }

    var text: String {
        var table = Table(["WAITERS", "KB EACH", "MB BEFORE", "MB WAITING", "CONNECTIONS", "S TO ANSWER ALL"])
        let figures = [kilobytesEach, Double(bytesBefore) / 1e6, Double(bytesWaiting) / 1e6].map(\.shown)
        table.add(["\(waiters)"] + figures + ["\(all)", seconds.shown])
        let load = load?.shown ?? "unknown"
        let lines = ["callers who wait at one ingress, its memory as RSS; load average \(load)", table.text]
        return (lines + goals.map(\.text)).joined(separator: "\n")
    }
}
