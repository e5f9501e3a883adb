import Core
import Database

/// Which jobs of a tenant a list shows, newest first.
public struct JobFilter: Sendable {
    public var status: JobStatus?
    public var service: String?
    public var app: Int64?
    public var account: Int64?
    /// Only what this job's script has called.
    public var parent: JobID?
    /// The earliest acceptance.
    public var since: Timestamp
    /// Before this one; nil for now.
    public var until: Timestamp?
    /// 1 to 1000.
    public var limit: Int
    public var cursor: JobCursor?

    public init(since: Timestamp, limit: Int) {
        self.since = since
        self.limit = limit
    }

    /// Whether nothing in its time is passed over.
    var takesAll: Bool { status == nil && service == nil && app == nil && account == nil && parent == nil }

    func takes(_ record: JobRecord) -> Bool {
        (status == nil || record.status == status) && (service == nil || record.service == service)
            && (app == nil || record.app == app) && (account == nil || record.account == account)
            && (parent == nil || record.parent == parent)
    }
}

/// A place in the list of a tenant's jobs: the next page begins behind it.
public struct JobCursor: Sendable, Hashable, CustomStringConvertible {
    public let createdAt: Timestamp
    public let id: JobID

    init(_ record: JobRecord) {
        createdAt = record.createdAt
        id = record.id
    }

    /// Reads ``description``. Whoever lists may have changed it: no moment is taken that the database can not hold.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let microseconds = Int64(parts[0]), let id = JobID(String(parts[1])),
            (0...Int64.max / 4).contains(microseconds)
        else { return nil }
        createdAt = Timestamp(microseconds: microseconds)
        self.id = id
    }

    public var description: String { "\(createdAt.microseconds).\(id)" }
}

/// A page of the list. It may be short although there is more: then its cursor goes on.
public struct JobPage: Sendable {
    public var jobs: [JobRecord] = []
    /// Nil at the list's end.
    public var next: JobCursor?

    public init() {}
}

extension JobQueue {
    /// How many jobs one call looks at: where few are wanted, the next page goes on from there.
    private static let mostSeen = 5000
    /// How many are looked at together where some are passed over.
    private static let stride = 500

    // The limits keep each job's places behind its own look by index: joined at once, all tenants' rows would be read.
    private static let list = Statement(
        "queue_list",
        """
        select j.id, j.created_at, j.tenant, j.app, j.account, j.service, j.service_id, j.method, j.asynchronous,
            j.max_attempts, j.retry_of, j.parent, j.run_at, j.summary, e.status, e.attempt, e.started_at, e.finished_at, e.cpu_us,
            e.peak_memory, case when e.status in (2, 5) then e.response end, n.attempt, n.started_at, q.attempt,
            q.min_tier, d.attempt, d.run_at,
            case when e.started_at is not null then array[
                e.peak_memory, e.wall_us, e.user_us, e.system_us, e.waited_us, e.api_calls, e.bytes_in, e.bytes_out, e.log_bytes
            ] end, j.priority
        from (
            select id, created_at, tenant, app, account, service, service_id, method, asynchronous, max_attempts, retry_of,
                parent, run_at, summary, priority
            from job
            where tenant = current_tenant() and created_at >= $1::timestamptz and created_at <= $2::timestamptz
                and (created_at, id) < ($2::timestamptz, $3::uuid)
            order by created_at desc, id desc
            limit $4::integer
        ) as j
        left join lateral (select * from result where id = j.id and created_at = j.created_at limit 1) e on true
        left join lateral (select * from run where id = j.id limit 1) n on true
        left join lateral (select * from ready where id = j.id limit 1) q on true
        left join lateral (select * from delayed where id = j.id limit 1) d on true
        order by j.created_at desc, j.id desc
        """)

    /// A page of a tenant's jobs.
    public func jobs(_ filter: JobFilter, of tenant: TenantID) async throws -> JobPage {
        var page = JobPage()
        var seen = 0
        var last = filter.cursor
        let none = JobID(high: 0, low: 0)
        let end = filter.until ?? Timestamp(microseconds: Int64.max / 4)
        while seen < Self.mostSeen {
            let want = filter.takesAll ? filter.limit + 1 : Self.stride
            let (before, id) = last.map { ($0.createdAt, $0.id) } ?? (end, none)
            let records = try await database.tenant(tenant).read { sql in
                try sql.query(Self.list, filter.since, before, id, Int32(want)).map(JobRecord.init)
            }
            for record in records {
                if page.jobs.count == filter.limit {
                    page.next = last
                    return page
                }
                if filter.takes(record) { page.jobs.append(record) }
                last = JobCursor(record)
            }
            seen += records.count
            if records.count < want { return page }
        }
        page.next = last
        return page
    }
}
