import Core
import Database

/// What a job waits for in its tenant's lane.
public struct QueueStanding: Sendable, Hashable {
    /// How many of the tenant's jobs run, and how many may at once.
    public var running: Int
    public var limit: Int
    public var isSuspended: Bool
    /// Of the job's service, where that has a cap of its own.
    public var serviceRunning: Int?
    public var serviceLimit: Int?
    /// How many of the tenant's jobs are before it, ``most`` at most.
    public var position: Int

    /// No more jobs than these are counted.
    public static let most = 1000
}

extension JobQueue {
    private static let standings = Statement(
        "queue_standings",
        """
        select r.id, l.in_flight, l.cap, l.suspended, c.in_flight, c.cap,
            (select count(*)::integer from (
                select from ready o
                where o.tenant = r.tenant and o.kind = r.kind and o.seq < r.seq
                    and o.held_for is not distinct from r.held_for
                limit $2::integer) as o)
            + (select count(*)::integer from (
                select from ready o
                where o.tenant = r.tenant and o.kind < r.kind and r.kind < 10
                limit $2::integer) as o)
        from ready r
        join lane l on l.tenant = r.tenant
        left join job j on l.has_caps and j.id = r.id and j.created_at = r.created_at
        left join service_cap c on c.tenant = r.tenant and c.service = j.service_id
        where r.id = any ($1::uuid[])
        """)

    /// Where those of the tenant's jobs stand that wait for a worker.
    /// - Throws: `DatabaseError`.
    public func standings(of jobs: [JobID], of tenant: TenantID) async throws -> [JobID: QueueStanding] {
        guard !jobs.isEmpty else { return [:] }
        let rows = try await database.tenant(tenant).read { sql in
            try sql.query(Self.standings, SQLArray(jobs), Int32(QueueStanding.most))
        }
        var standings: [JobID: QueueStanding] = [:]
        for row in rows {
            let (id, running, limit, isSuspended, serviceRunning, serviceLimit, position) = try row.decode(
                JobID.self, Int32.self, Int32.self, Bool.self, Int32?.self, Int32?.self, Int32.self)
            standings[id] = QueueStanding(
                running: Int(running), limit: Int(limit), isSuspended: isSuspended,
                serviceRunning: serviceRunning.map(Int.init), serviceLimit: serviceLimit.map(Int.init),
                position: min(QueueStanding.most, Int(position)))
        }
        return standings
    }
}
