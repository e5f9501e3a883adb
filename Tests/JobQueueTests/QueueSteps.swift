import Core
import Database
import TestSupport

/// The queue's transactions as steps, for who holds them open: the functions that the program calls, with as few parameters
/// as possible.
extension SQLSession {
    func enqueue(
        _ id: JobID, of tenant: Int64, asynchronous: Bool = true, language: Int16 = QueueSteps.python3
    ) throws {
        _ = try query(QueueSteps.enqueue, id, tenant, asynchronous, language)
    }

    /// - Parameter ended: what runs of the worker have ended since its last claim: their tenants, and what `finish` said.
    /// - Returns: the jobs, each with its tenant.
    func claim(
        _ worker: Int64, want: Int, language: Int16 = QueueSteps.python3,
        ended: [(tenant: Int64, generation: Int64)] = []
    ) throws -> [QueueSteps.Claimed] {
        try query(
            QueueSteps.claim, worker, Int32(want), language, SQLArray(ended.map(\.tenant)),
            SQLArray(ended.map { _ in Int64(0) }),
            SQLArray(ended.map { _ in Int32(1) }), SQLArray(ended.map(\.generation))
        ).map { row in
            let (job, tenant) = try row.decode(JobID.self, Int64.self)
            return QueueSteps.Claimed(job: job, tenant: tenant)
        }
    }

    /// - Returns: the generation, where the end was accepted.
    func finish(_ worker: Int64, _ job: JobID) throws -> Int64? {
        try query(QueueSteps.finish, worker, job).first?.decode(Int64.self, at: 1)
    }

    func release(_ worker: Int64, _ job: JobID) throws { _ = try query(QueueSteps.release, worker, job) }

    func cancel(_ job: JobID) throws { try execute(QueueSteps.cancel, job) }

    func tendLanes() throws { _ = try query(QueueSteps.tend) }
}

enum QueueSteps {
    /// As the queue numbers them.
    static let nodejs: Int16 = 1
    static let python3: Int16 = 3

    struct Claimed: Sendable, Hashable {
        var job: JobID
        var tenant: Int64
    }

    fileprivate static let claim = Statement(
        "test_claim",
        """
        select id, tenant from claim_4($1::bigint, $2::integer, $2::integer, array[$3::smallint], 3::smallint,
            $4::bigint[], $5::bigint[], $6::integer[], $7::bigint[])
        """)
    fileprivate static let finish = Statement(
        "test_finish",
        """
        select id, generation from finish_4(array[null]::bigint[], $1::bigint, array[$2::uuid], array[1]::smallint[],
            array[1]::smallint[], array[null]::bytea[], array[now()], array[0]::bigint[], array[0]::bigint[],
            array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[],
            array[0]::bigint[], array[0]::bigint[], false)
        """)
    fileprivate static let enqueue = Statement(
        "test_enqueue",
        """
        select enqueue_3(array[$1::uuid], array[$2::bigint], array[7]::bigint[], array[null]::bigint[], array['math'],
            array[3]::bigint[], array[1], array['POST'], array[$3::boolean], array[1]::smallint[], array[60000],
            array[1]::bigint[], array['\\x01'::bytea], array['\\x01'::bytea], array[$4::smallint], array[false],
            array[null]::timestamptz[], array[null]::bigint[], array[3600000]::bigint[], array[null]::uuid[],
            array[null]::text[], array[null]::bytea[], array[null]::bytea[], array[0]::smallint[],
            array[null]::bigint[], array[null]::bigint[], array[null]::bigint[], false)
        """)
    fileprivate static let release = Statement("test_release", "select release_1($1::bigint, array[$2::uuid], false)")
    fileprivate static let tend = Statement("test_tend", "select tend_lanes_1(true)")
    /// Writes many jobs at once, spread over so many tenants.
    static let fill = Statement(
        "test_fill",
        """
        with j as (
            insert into job (
                id, created_at, tenant, service, service_id, version, method, asynchronous, max_attempts, wall_ms, ingress, request
            )
            select gen_random_uuid(), now(), 1 + g % $2::integer, 'math', 3, 1, 'POST', true, 1, 60000, 1, '\\x01'
            from generate_series(1, $1::integer) as g
            returning id, created_at, tenant
        )
        insert into ready (class, tenant, id, created_at, attempt, language, start_by)
        select 1, j.tenant, j.id, j.created_at, 1, 3, now() + interval '1 hour' from j
        """)
    /// As a cancellation does first.
    fileprivate static let cancel = Statement("test_cancel", "delete from ready where id = $1::uuid")
}

extension JobID {
    /// One of now.
    static var new: JobID { JobID(milliseconds: UInt64(Timestamp.now.microseconds / 1000)) }
}
