import Core
import Database

extension JobQueue {
    /// What became of a cancellation.
    public enum Cancelled: Sendable, Hashable {
        case done
        /// The job had ended before.
        case tooLate
    }

    // Row-level security makes it the tenant's own. Whoever deletes the job's place first decides: this, a claim, or the
    // attempt's end.
    private static let cancel = Statement(
        "queue_cancel",
        """
        with waiting as (
            delete from ready where id = $1::uuid returning id, created_at, tenant, attempt
        ), later as (
            delete from delayed where id = $1::uuid returning id, created_at, tenant, attempt
        ), running as (
            delete from run where id = $1::uuid returning id, created_at, tenant, attempt, worker, started_at
        ), gone as (
            select id, created_at, tenant, attempt - 1 as attempt, 0 as worker, null::timestamptz as started_at from waiting
            union all
            select id, created_at, tenant, attempt - 1, 0, null from later
            union all
            select id, created_at, tenant, attempt, worker, started_at from running
        ), ended as (
            insert into result (id, created_at, tenant, status, attempt, worker, started_at, finished_at)
            select id, created_at, tenant, $2::smallint, attempt, worker, started_at, clock_timestamp() from gone
        )
        select j.ingress, g.worker > 0
        from gone g
        join job j on j.id = g.id and j.created_at = g.created_at
        """)

    /// Ends a job that has not ended: a queued one never runs, one that runs is stopped, and its result is refused.
    /// - Parameter status: `cancelled`, or `expired` where a time limit of the caller's ends it.
    /// - Throws: `DatabaseError`.
    public func cancel(_ id: JobID, of tenant: TenantID, as status: JobStatus = .cancelled) async throws -> Cancelled {
        // Between two places, in a transaction that commits meanwhile, a job is in neither for this statement's snapshot.
        for _ in 0..<20 {
            let rows = try await database.tenant(tenant).transaction { sql in
                try sql.query(Self.cancel, id, StoredResult.number(status))
            }
            if let row = rows.first {
                let (ingress, wasRunning) = try row.decode(Int64.self, Bool.self)
                QueueMetrics.ended(status)
                if wasRunning { notifier.cancelled() }
                notifier.done(id, ingress: ingress)
                return .done
            }
            if try await result(id, of: tenant) != nil { return .tooLate }
        }
        throw ServiceError(503, "The job is changing hands. Try again.", retryAfter: 1)
    }
}
