import Core
import Database

/// What is known of a job, wherever it stands, without its payload and its response.
public struct JobRecord: Sendable {
    public let id: JobID
    /// By the database's clock.
    public let createdAt: Timestamp
    public let app: Int64?
    public let account: Int64?
    public let service: String
    public let serviceID: Int64
    public let verb: String
    public let isAsynchronous: Bool
    public let maxAttempts: Int
    /// From -100 to 100.
    public let priority: Int
    public let retryOf: JobID?
    /// The job whose script called; nil for a job of its own.
    public let parent: JobID?
    /// A sealed ``JobSummary``; nil for a job of before there were any.
    public let summary: [UInt8]?
    public let status: JobStatus
    /// The attempt that runs or has ended the job; for a queued one, how many it has behind it.
    public let attempt: Int
    public let startedAt: Timestamp?
    /// The least that a job which waits for a worker is contained in; nil for one that runs, has ended or waits for its time.
    public let minTier: SandboxTier?
    /// When a delayed job, or the next attempt, may start.
    public let runAt: Timestamp?
    public let finishedAt: Timestamp?
    public let cpu: Duration?
    public let peakMemoryBytes: Int?
    /// Of the attempt that has ended the job; nil where none has.
    public let usage: AttemptUsage?
    /// The end of a failed job, for its error.
    public let failure: StoredResult?
}

extension JobRecord {
    init(_ row: Row) throws {
        let (
            id, createdAt, tenant, app, account, service, serviceID, verb, isAsynchronous, maxAttempts, retryOf,
            parent, firstRunAt,
            summary, ended, endedAttempt, endedStart, finishedAt, cpu, memory, outcome, running, runningStart, queued,
            minTier, delayed, runAt, usage, priority
        ) = try row.decode(
            JobID.self, Timestamp.self, Int64.self, Int64?.self, Int64?.self, String.self, Int64.self, String.self,
            Bool.self, Int16.self, JobID?.self, JobID?.self, Timestamp?.self, [UInt8]?.self, Int16?.self, Int16?.self,
            Timestamp?.self, Timestamp?.self, Int64?.self, Int64?.self, [UInt8]?.self, Int16?.self, Timestamp?.self,
            Int16?.self, Int16?.self, Int16?.self, Timestamp?.self, SQLArray<Int64>?.self, Int16.self)
        self.priority = Int(priority)
        self.id = id
        self.createdAt = createdAt
        self.app = app
        self.account = account
        self.service = service
        self.serviceID = serviceID
        self.verb = verb
        self.isAsynchronous = isAsynchronous
        self.maxAttempts = Int(maxAttempts)
        self.retryOf = retryOf
        self.parent = parent
        self.summary = summary
        // One statement, one snapshot: a job is in exactly one of the places.
        status = ended.map(StoredResult.status) ?? (running != nil ? .running : .queued)
        attempt = Int(endedAttempt ?? running ?? ((queued ?? delayed ?? 1) - 1))
        startedAt = endedStart ?? runningStart
        self.minTier = minTier.map { SandboxTier(number: $0) }
        self.runAt = runAt ?? firstRunAt
        self.finishedAt = finishedAt
        self.cpu = cpu.map { .microseconds($0) }
        peakMemoryBytes = memory.map(Int.init)
        self.usage = usage.flatMap { AttemptUsage(stored: $0.elements) }
        if let ended, let finishedAt, status == .failed {
            failure = StoredResult(
                id: id, tenant: TenantID(rawValue: tenant), number: ended, attempt: attempt, startedAt: endedStart,
                finishedAt: finishedAt, cpu: .microseconds(cpu ?? 0), peakMemoryBytes: Int(memory ?? 0),
                outcome: outcome)
        } else {
            failure = nil
        }
    }
}

extension JobQueue {
    private static let jobRow = Statement(
        "queue_job",
        """
        select j.id, j.created_at, j.tenant, j.app, j.account, j.service, j.service_id, j.method, j.asynchronous,
            j.max_attempts, j.retry_of, j.parent, j.run_at, j.summary, e.status, e.attempt, e.started_at, e.finished_at, e.cpu_us,
            e.peak_memory, case when e.status in (2, 5) then e.response end, n.attempt, n.started_at, q.attempt,
            q.min_tier, d.attempt, d.run_at,
            case when e.started_at is not null then array[
                e.peak_memory, e.wall_us, e.user_us, e.system_us, e.waited_us, e.api_calls, e.bytes_in, e.bytes_out, e.log_bytes
            ] end, j.priority
        from job j
        left join result e
            on e.id = j.id and e.created_at = j.created_at and e.created_at between $2::timestamptz and $3::timestamptz
        left join run n on n.id = j.id
        left join ready q on q.id = j.id
        left join delayed d on d.id = j.id
        where j.id = $1::uuid and j.created_at between $2::timestamptz and $3::timestamptz
        """)
    private static let payloadRow = Statement(
        "queue_payload",
        "select request from job where id = $1::uuid and created_at between $2::timestamptz and $3::timestamptz")
    private static let resultRow = Statement(
        "queue_result",
        """
        select id, tenant, status, attempt, started_at, finished_at, cpu_us, peak_memory, response
        from result where id = $1::uuid and created_at between $2::timestamptz and $3::timestamptz
        """)
    private static let logRows = Statement(
        "queue_log",
        """
        select attempt, worker, piece, last_line - line_count + 1, lines
        from (
            select attempt, worker, piece, run_started, line_count, lines,
                sum(line_count) over (order by attempt, run_started nulls first, worker, piece)::bigint as last_line
            from log
            where id = $1::uuid and created_at between $2::timestamptz and $3::timestamptz
        ) as numbered
        where last_line > $4::bigint
        order by last_line
        limit 200
        """)

    /// A job of the tenant; nil where it has none with this id.
    public func job(_ id: JobID, of tenant: TenantID) async throws -> JobRecord? {
        try await rows(Self.jobRow, id, tenant).first.map(JobRecord.init)
    }

    /// A job's sealed ``JobPayload``; nil where there is no such job.
    public func payload(_ id: JobID, of tenant: TenantID) async throws -> [UInt8]? {
        try await rows(Self.payloadRow, id, tenant).first?.decode([UInt8].self)
    }

    /// A job's result; nil where it has none yet.
    public func result(_ id: JobID, of tenant: TenantID) async throws -> StoredResult? {
        try await rows(Self.resultRow, id, tenant).first.map(StoredResult.init)
    }

    /// Sealed lines of a job's output.
    public struct LogRow: Sendable {
        /// What they were sealed with (``LogPiece/label``).
        public let label: String
        /// The number of the first line.
        public let first: Int64
        public let lines: [UInt8]
    }

    /// The first 200 pieces of a job's output that hold lines after `seq`, in their order.
    public func logs(_ id: JobID, of tenant: TenantID, after seq: Int64) async throws -> [LogRow] {
        try await database.tenant(tenant).read { sql in
            try sql.query(
                Self.logRows, id, Self.partitionStart(id.milliseconds), Self.partitionEnd(id.milliseconds), seq
            ).map { row in
                let (attempt, worker, piece, first, lines) = try row.decode(
                    Int16.self, Int64.self, Int32.self, Int64.self, [UInt8].self)
                return LogRow(
                    label: LogPiece.label(id, attempt: Int(attempt), worker: worker, piece: piece), first: first,
                    lines: lines)
            }
        }
    }

    /// What a statement finds of a job: `$1` is its id, `$2` and `$3` bound its partitions.
    func rows(_ statement: Statement, _ id: JobID, _ tenant: TenantID) async throws -> [Row] {
        try await database.tenant(tenant).read { sql in
            try sql.query(statement, id, Self.partitionStart(id.milliseconds), Self.partitionEnd(id.milliseconds))
        }
    }
}
