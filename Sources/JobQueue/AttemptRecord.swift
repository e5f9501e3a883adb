import Core
import Database

/// One attempt of a job: one that runs or has run.
public struct AttemptRecord: Sendable {
    public enum Status: String, Sendable {
        case running, succeeded, failed, cancelled, expired
        /// Its worker was, or could not run it.
        case lost
    }

    /// Counted from 1.
    public let number: Int
    public let status: Status
    public let startedAt: Timestamp
    /// Nil while it runs.
    public let finishedAt: Timestamp?
    public let cpu: Duration?
    public let usage: AttemptUsage?

    init(_ row: Row) throws {
        let (number, status, startedAt, finishedAt, cpu, usage) = try row.decode(
            Int16.self, Int16.self, Timestamp.self, Timestamp?.self, Int64?.self, SQLArray<Int64>?.self)
        self.number = Int(number)
        self.status = Self.status(status)
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.cpu = cpu.map { .microseconds($0) }
        self.usage = usage.flatMap { AttemptUsage(stored: $0.elements) }
    }

    /// The status behind the number in the tables `attempt` and `result`.
    private static func status(_ number: Int16) -> Status {
        switch number {
        case 0: .running
        case 1: .succeeded
        case 3: .cancelled
        case 4: .expired
        case 5: .lost
        default: .failed
        }
    }
}

extension JobQueue {
    // A job that ended while it waited had no attempt for that: its result has no start.
    private static let attempts = Statement(
        "queue_attempts",
        """
        select attempt, status, started_at, finished_at, cpu_us, array[
                peak_memory, wall_us, user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes
            ]
        from attempt where id = $1::uuid and created_at between $2::timestamptz and $3::timestamptz
        union all
        select attempt, status, started_at, finished_at, cpu_us, array[
                peak_memory, wall_us, user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes
            ]
        from result
        where id = $1::uuid and created_at between $2::timestamptz and $3::timestamptz and started_at is not null
        union all
        select attempt, 0::smallint, started_at, null, null, null from run where id = $1::uuid
        order by 1
        """)

    /// The attempts of a job, in their order.
    public func attempts(of id: JobID, of tenant: TenantID) async throws -> [AttemptRecord] {
        try await rows(Self.attempts, id, tenant).map(AttemptRecord.init)
    }
}
