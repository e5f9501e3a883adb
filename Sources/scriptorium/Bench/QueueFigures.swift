import Core

/// What `bench queue` has found.
struct QueueFigures: Sendable {
    /// What some jobs have taken.
    struct Part: Sendable {
        var jobs = 0
        var seconds = 0.0
        /// The processor time of all of PostgreSQL's processes.
        var server = Duration.zero
        /// That of this process.
        var client = Duration.zero
        /// Bytes in the write-ahead log.
        var log: Int64 = 0

        static func += (sum: inout Part, other: Part) {
            sum.jobs += other.jobs
            sum.seconds += other.seconds
            sum.server += other.server
            sum.client += other.client
            sum.log += other.log
        }

        var perSecond: Double { Double(jobs) / max(seconds, 1e-6) }
        var serverMicroseconds: Double { server.seconds * 1e6 / Double(max(1, jobs)) }
        var clientMicroseconds: Double { client.seconds * 1e6 / Double(max(1, jobs)) }
        var logBytes: Double { Double(log) / Double(max(1, jobs)) }
    }

    var tenants: Int
    var workers: Int
    var payload: Int
    /// When it began.
    var load: Double?
    var rounds = 0
    /// How many jobs a statement was about.
    var batch = 0
    var own = Part()
    var ceiling = Part()
    var ceilingClients = 0

    private var ratio: Double { own.perSecond / max(ceiling.perSecond, 1e-6) }

    private var goals: [Goal] {
        var goals = [
            Goal.atLeast(0.8, "at least 0.8 times the ceiling", "ceiling_ratio", ratio)
        ]
        if tenants <= 100 {
            let most = tenants == 1 ? 45.0 : 70
            goals.append(
                .atMost(
                    most, "at most \(most.shown) us of PostgreSQL a job", "postgres_us_per_job", own.serverMicroseconds)
            )
        }
        if payload <= 256 {
            goals.append(.atMost(1500, "at most 1500 bytes of log a job", "wal_bytes_per_job", own.logBytes))
        }
        return goals
    }

    var json: JSONText {
        .object([
            ("bench", .string("queue")), ("jobs", .integer(own.jobs)), ("tenants", .integer(tenants)),
            ("workers", .integer(workers)), ("payload", .integer(payload)), ("rounds", .integer(rounds)),
            ("load_average", load.map(JSONText.rounded) ?? .null), ("batch", .integer(batch)),
            ("jobs_per_second", .rounded(own.perSecond)),
            ("ceiling_jobs_per_second", .rounded(ceiling.perSecond)), ("ceiling_ratio", .rounded(ratio)),
            ("postgres_us_per_job", .rounded(own.serverMicroseconds)),
            ("client_us_per_job", .rounded(own.clientMicroseconds)), ("wal_bytes_per_job", .rounded(own.logBytes)),
            ("ceiling_postgres_us_per_job", .rounded(ceiling.serverMicroseconds)),
            ("ceiling_wal_bytes_per_job", .rounded(ceiling.logBytes)),
            ("ceiling_connections", .integer(ceilingClients)), ("goals", .array(goals.map(\.json))),
        ])
    }

    var text: String {
        var table = Table(["", "JOBS", "PER S", "POSTGRES US/JOB", "CLIENT US/JOB", "LOG BYTES/JOB"])
        for (name, part, client) in [("queue", own, own.clientMicroseconds.shown), ("ceiling", ceiling, "")] {
            table.add([
                name, "\(part.jobs)", part.perSecond.shown, part.serverMicroseconds.shown, client, part.logBytes.shown,
            ])
        }
        let lines = [
            "\(tenants == 1 ? "one tenant" : "\(tenants) tenants"), \(workers) workers, \(payload) bytes,"
                + " \(rounds) rounds in turns; load average \(load.map(\.shown) ?? "unknown")",
            table.text,
            "a statement is about \(batch) jobs; the queue reaches \(ratio.shown) times the ceiling, which pgbench reaches"
                + " with \(ceilingClients) connections",
        ]
        return (lines + goals.map(\.text)).joined(separator: "\n")
    }
}
