import Database

/// Every statement of this room that crosses tenants. Whatever is not listed here runs in one tenant's scope.
enum SystemStatements {
    /// Batched over tenants. Commits durably.
    static let enqueue = Statement(
        "queue_enqueue",
        """
        select id, existing, fingerprint
        from enqueue_2($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::integer[],
            $8::text[], $9::boolean[], $10::smallint[], $11::integer[], $12::bigint[], $13::bytea[], $14::bytea[],
            $15::smallint[], $16::boolean[], $17::timestamptz[], $18::bigint[], $19::bigint[], $20::uuid[], $21::text[],
            $22::bytea[], $23::bytea[], $24::boolean)
        """)

    /// A worker serves every tenant.
    static let claim = Statement(
        "queue_claim",
        """
        select id, created_at, tenant, asynchronous, attempt, max_attempts, service, service_id, version, wall_ms, ingress,
            retry_on_error, request
        from claim_2($1::bigint, $2::integer, $3::smallint[])
        """)

    /// Batched over tenants. Commits durably.
    static let finish = Statement(
        "queue_finish",
        """
        select finish_1($1::bigint, $2::uuid[], $3::smallint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bytea[],
            $8::timestamptz[], $9::boolean)
        """)

    static let release = Statement("queue_release", "select release_1($1::bigint, $2::uuid[], $3::boolean)")

    /// A worker serves every tenant. Commits durably.
    static let retry = Statement(
        "queue_retry",
        "select retry_1($1::bigint, $2::uuid, $3::smallint, $4::smallint, $5::bigint, $6::bigint)")

    static let lostRuns = Statement("queue_lost_runs", "select lost_runs_1($1::bigint, $2::uuid[])", idempotent: true)

    static let expire = Statement("queue_expire", "select id, ingress from expire_1($1::integer)")

    static let forgetKeys = Statement("queue_forget_keys", "select forget_keys_1($1::integer)")

    static let dropPartitions = Statement(
        "queue_drop_partitions", "select drop_partitions_1($1::double precision, $2::double precision)::text")

    static let reap = Statement(
        "queue_reap", "select id, ingress, requeued from reap_1(make_interval(secs => $1::double precision))")

    static let promote = Statement("queue_promote", "select promote_1($1::integer)")

    static let ensurePartitions = Statement("queue_ensure_partitions", "select ensure_partitions_1($1::integer)")

    static let register = Statement(
        "queue_register_worker", "insert into worker (name, slots) values ($1::text, $2::integer) returning id")

    static let heartbeat = Statement("queue_heartbeat", "select heartbeat_1($1::bigint, $2::uuid[])")

    static let unregister = Statement("queue_unregister_worker", "delete from worker where id = $1::bigint")

    static let nextIngress = Statement("queue_next_ingress", "select nextval('ingress_number')")

    /// One look for everybody who waits in this process, whatever their tenants.
    static let results = Statement(
        "queue_results",
        """
        select id, tenant, status, attempt, started_at, finished_at, cpu_us, peak_memory, response
        from results_1($1::uuid[], $2::timestamptz)
        """)

    /// Batched over tenants.
    static let appendLogs = Statement(
        "queue_append_logs",
        """
        select append_logs_1($1::uuid[], $2::smallint[], $3::bigint[], $4::integer[], $5::integer[], $6::bytea[])
        """, idempotent: true)

    /// Autocommits on its own: a NOTIFY inside a data transaction would hold a database-wide lock through its commit.
    /// And asynchronously: a wake-up has nothing to flush.
    static let notify = Statement(
        "queue_notify", "select set_config('synchronous_commit', 'off', true), pg_notify($1::text, $2::text)")

    /// Now by the database's clock.
    static let now = Statement("queue_now", "select clock_timestamp()")
}
