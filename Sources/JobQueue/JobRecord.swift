import Core
import Database

/// What is known of a job, wherever it stands.
public struct JobRecord: Sendable {
    public let id: JobID
    public let createdAt: Timestamp
    public let app: Int64?
    public let account: Int64?
    public let service: String
    public let verb: String
    public let isAsynchronous: Bool
    public let maxAttempts: Int
    public let status: JobStatus
    public let attempt: Int
    public let startedAt: Timestamp?
    public let runAt: Timestamp?
    /// A sealed ``JobPayload``.
    public let payload: [UInt8]
    /// The end, where there is one.
    public let result: StoredResult?
}

extension JobQueue {
    private static let jobRow = Statement(
        "queue_job",
        """
        select j.id, j.created_at, j.app, j.account, j.service, j.method, j.asynchronous, j.max_attempts, j.request,
            n.attempt, n.started_at, q.attempt, d.attempt, d.run_at
        from job j
        left join run n on n.id = j.id
        left join ready q on q.id = j.id and q.created_at = j.created_at
        left join delayed d on d.id = j.id
        where j.id = $1::uuid and j.created_at between $2::timestamptz and $3::timestamptz
        """)
    private static let resultRow = Statement(
        "queue_result",
        """
        select id, tenant, status, attempt, started_at, finished_at, cpu_us, peak_memory, response
        from result where id = $1::uuid and created_at between $2::timestamptz and $3::timestamptz
        """)
    private static let logRows = Statement(
        "queue_log",
        """
        select seq, lines from log
        where id = $1::uuid and created_at between $2::timestamptz and $3::timestamptz and seq > $4::bigint - 1000000
        order by seq
        """)

    /// A job of the tenant; nil where it has none with this id.
    public func job(_ id: JobID, of tenant: TenantID) async throws -> JobRecord? {
        try await database.tenant(tenant).read { sql in
            let from = Self.partitionStart(id.milliseconds)
            let to = Self.partitionEnd(id.milliseconds)
            // The result first: a job that ends between the two looks is then still seen as running, not as nowhere.
            let result = try sql.query(Self.resultRow, id, from, to).first.map(StoredResult.init)
            guard let row = try sql.query(Self.jobRow, id, from, to).first else { return nil }
            return try JobRecord(row, result)
        }
    }

    /// The pieces of a job's output that may hold lines after `seq`, in their order: first line's number and sealed lines.
    public func logs(
        _ id: JobID, of tenant: TenantID, after seq: Int64
    ) async throws -> [(seq: Int64, lines: [UInt8])] {
        try await database.tenant(tenant).read { sql in
            try sql.query(
                Self.logRows, id, Self.partitionStart(id.milliseconds), Self.partitionEnd(id.milliseconds), seq
            ).map { row in
                let (seq, lines) = try row.decode(Int64.self, [UInt8].self)
                return (seq, lines)
            }
        }
    }
}

extension JobRecord {
    fileprivate init(_ row: Row, _ result: StoredResult?) throws {
        let (
            id, createdAt, app, account, service, verb, isAsynchronous, maxAttempts, payload, running, begun, queued,
            delayed, runAt
        ) = try row.decode(
            JobID.self, Timestamp.self, Int64?.self, Int64?.self, String.self, String.self, Bool.self, Int16.self,
            [UInt8].self, Int16?.self, Timestamp?.self, Int16?.self, Int16?.self, Timestamp?.self)
        self.id = id
        self.createdAt = createdAt
        self.app = app
        self.account = account
        self.service = service
        self.verb = verb
        self.isAsynchronous = isAsynchronous
        self.maxAttempts = Int(maxAttempts)
        self.payload = payload
        self.result = result
        status = result?.status ?? (queued ?? delayed != nil ? .queued : .running)
        // A queued job counts the attempts that it has behind it.
        attempt = result?.attempt ?? running.map(Int.init) ?? Int(queued ?? delayed ?? 1) - 1
        startedAt = result?.startedAt ?? begun
        self.runAt = runAt
    }
}
