import Database

/// Every statement of this room that crosses tenants. Whatever is not listed here runs in one tenant's scope.
enum SystemStatements {
    /// Batched over tenants. Commits durably.
    static let enqueue = Statement(
        "queue_enqueue",
        """
        select id, existing, fingerprint, bound, in_use
        from enqueue_3($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::integer[],
            $8::text[], $9::boolean[], $10::smallint[], $11::integer[], $12::bigint[], $13::bytea[], $14::bytea[],
            $15::smallint[], $16::boolean[], $17::timestamptz[], $18::bigint[], $19::bigint[], $20::uuid[], $21::text[],
            $22::bytea[], $23::bytea[], $24::smallint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::boolean)
        """)

    /// A worker serves every tenant.
    static let claim = Statement(
        "queue_claim",
        """
        select id, created_at, tenant, asynchronous, attempt, max_attempts, service, service_id, version, wall_ms, ingress,
            retry_on_error, request, capped, clock_timestamp()
        from claim_4($1::bigint, $2::integer, $3::integer, $4::smallint[], $5::smallint, $6::bigint[], $7::bigint[],
            $8::integer[], $9::bigint[])
        """)

    /// Batched over tenants. Commits durably.
    static let finish = Statement(
        "queue_finish",
        """
        select id, generation
        from finish_4($1::bigint[], $2::bigint, $3::uuid[], $4::smallint[], $5::smallint[], $6::bytea[],
            $7::timestamptz[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
            $14::bigint[], $15::bigint[], $16::bigint[], $17::boolean)
        """)

    /// Batched over tenants, with what the scripts of the attempts have called. Commits durably.
    static let finishFamily = Statement(
        "queue_finish_family",
        """
        select id, generation
        from finish_4($1::bigint[], $2::bigint, $3::uuid[], $4::smallint[], $5::smallint[], $6::bytea[],
            $7::timestamptz[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
            $14::bigint[], $15::bigint[], $16::bigint[], $17::boolean, $18::uuid[], $19::uuid[], $20::timestamptz[],
            $21::uuid[], $22::text[], $23::bigint[], $24::integer[], $25::text[], $26::integer[], $27::bigint[],
            $28::bigint[], $29::smallint[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[], $34::bigint[],
            $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[], $39::bytea[], $40::bytea[], $41::bytea[],
            $42::integer[], $43::bytea[])
        """)

    static let release = Statement("queue_release", "select release_1($1::bigint, $2::uuid[], $3::boolean)")

    /// A worker serves every tenant. Commits durably.
    static let retry = Statement(
        "queue_retry",
        """
        select retry_3($1::bigint, $2::bigint, $3::uuid, $4::smallint, $5::smallint, $6::bigint, $7::bigint, $8::bigint,
            $9::bigint, $10::bigint, $11::bigint, $12::bigint, $13::bigint, $14::bigint)
        """)

    /// A worker serves every tenant.
    static let settle = Statement(
        "queue_settle",
        """
        select settle_2($1::bigint, $2::bigint, $3::uuid, $4::smallint, $5::timestamptz, $6::bigint, $7::bigint,
            $8::bigint, $9::bigint, $10::bigint, $11::bigint, $12::bigint, $13::bigint, $14::bigint)
        """)

    static let lostRuns = Statement("queue_lost_runs", "select lost_runs_1($1::bigint, $2::uuid[])", idempotent: true)

    static let expire = Statement("queue_expire", "select id, ingress from expire_1($1::integer)")

    static let forgetKeys = Statement("queue_forget_keys", "select forget_keys_1($1::integer)")

    static let dropPartitions = Statement(
        "queue_drop_partitions", "select drop_partitions_1($1::double precision, $2::double precision)::text")

    static let forgetCaps = Statement("queue_forget_caps", "select forget_caps_1($1::double precision)")

    static let reap = Statement(
        "queue_reap", "select id, ingress, requeued from reap_1(make_interval(secs => $1::double precision))")

    /// The same, where there is a worker that has been silent for so long: the look through all runs is left out else.
    static let reapSilent = Statement(
        "queue_reap_silent",
        """
        select r.id, r.ingress, r.requeued from reap_1(make_interval(secs => $1::double precision)) as r
        where exists (select from worker w where w.heartbeat_at < now() - make_interval(secs => $1::double precision))
        """)

    static let promote = Statement("queue_promote", "select promote_1($1::integer)")

    static let tendLanes = Statement("queue_tend_lanes", "select tend_lanes_1($1::boolean)")

    static let renewLanes = Statement("queue_renew_lanes", "select renew_lanes_1()")

    static let ensurePartitions = Statement("queue_ensure_partitions", "select ensure_partitions_1($1::integer)")

    static let register = Statement(
        "queue_register_worker",
        "insert into worker (name, slots, tier) values ($1::text, $2::integer, $3::smallint) returning id")

    static let workers = Statement(
        "queue_workers",
        """
        select name, slots, tier from worker
        where heartbeat_at > now() - make_interval(secs => $1::double precision)
        order by name, id
        """)

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

    // MARK: The audit, which looks at all tenants' rows

    /// Finds the jobs that break a rule.
    static func audit(_ rule: QueueAudit.Rule) -> Statement {
        switch rule {
        case .place: auditPlaces
        case .orphans: auditOrphans
        case .tenants: auditTenants
        case .attempts: auditAttempts
        case .usage: auditUsage
        case .idempotency: auditKeys
        case .inFlight: auditInFlight
        case .parked: auditParked
        case .caps: auditCaps
        }
    }

    private static let auditPlaces = Statement(
        "audit_places",
        """
        with place as (
            select id from ready union all select id from run union all select id from delayed
            union all select id from result
        )
        select j.id
        from job j
        left join place p on p.id = j.id
        where exists (select from tenant t where t.id = j.tenant and t.deleted_at is null)
        group by j.id having count(p.id) <> 1
        """)

    private static let auditOrphans = Statement(
        "audit_orphans",
        """
        select r.id from (
            select id, created_at, tenant from ready union all select id, created_at, tenant from run
            union all select id, created_at, tenant from delayed union all select id, created_at, tenant from result
            union all select id, created_at, tenant from attempt union all select id, created_at, tenant from log
        ) as r
        where not exists (select from job j where j.id = r.id and j.created_at = r.created_at)
            and not exists (select from tenant t where t.id = r.tenant and t.deleted_at is not null)
        """)

    private static let auditTenants = Statement(
        "audit_tenants",
        """
        select r.id from (
            select id, tenant from ready union all select id, tenant from run union all select id, tenant from delayed
            union all select id, tenant from result union all select id, tenant from attempt
            union all select id, tenant from log
        ) as r
        join job j on j.id = r.id
        where j.tenant <> r.tenant
        union all
        select j.id from job j
        where not exists (select from tenant t where t.id = j.tenant)
        """)

    /// A job without a summary is of before attempts were recorded.
    private static let auditAttempts = Statement(
        "audit_attempts",
        """
        with past as (
            -- How many attempts are behind a job without having ended it.
            select id, attempt - 1 as past from ready
            union all select id, attempt - 1 from delayed
            union all select id, attempt - 1 from run
            union all select id, case when started_at is null then attempt else attempt - 1 end from result
        ), recorded as (
            select id, count(*) as count, count(distinct attempt) as distinct_count, max(attempt) as last
            from attempt group by id
        )
        select j.id
        from job j
        join past p on p.id = j.id
        left join recorded a on a.id = j.id
        where j.summary is not null
            and exists (select from tenant t where t.id = j.tenant and t.deleted_at is null)
            and (coalesce(a.count, 0) <> p.past or coalesce(a.last, 0) <> p.past
                or coalesce(a.distinct_count, 0) <> p.past)
        """)

    /// An end is credited with its worker's next claim, and what a dead worker has not credited is counted after some seconds:
    /// a lane that nobody has touched for longer must be right. One that counts too little never is.
    private static let auditInFlight = Statement(
        "audit_in_flight",
        """
        with runs as (
            select r.tenant, count(*) as n, min(r.id::text)::uuid as example from run r group by r.tenant
        ), service_runs as (
            select r.tenant, r.service, count(*) as n, min(r.id::text)::uuid as example
            from run r where r.service is not null group by r.tenant, r.service
        )
        select coalesce(r.example, '00000000-0000-0000-0000-000000000000'::uuid)
        from lane l
        full join runs r on r.tenant = l.tenant
        where coalesce(l.in_flight, 0) < coalesce(r.n, 0)
            or l.in_flight <> coalesce(r.n, 0) and l.touched_at < now() - interval '15 seconds'
        union all
        select r.example
        from service_cap c
        join service_runs r on r.tenant = c.tenant and r.service = c.service
        where c.in_flight < r.n
        """)

    private static let auditParked = Statement(
        "audit_parked",
        """
        select r.id
        from ready r
        left join lane l on l.tenant = r.tenant
        where r.kind < 10 and coalesce(l.kinds & (1 << r.kind), 0) = 0
            and exists (select from tenant t where t.id = r.tenant and t.deleted_at is null)
        """)

    /// Runs begin within the cap of that moment, give or take a second: a change takes that long at most.
    private static let auditCaps = Statement(
        "audit_caps",
        """
        with span as (
            select r.id, r.created_at, r.tenant, r.started_at, r.finished_at from result r where r.started_at is not null
            union all
            select a.id, a.created_at, a.tenant, a.started_at, a.finished_at from attempt a
            union all
            select r.id, r.created_at, r.tenant, r.started_at, 'infinity' from run r
        ), claimed as (
            select s.*, j.service_id
            from span s
            join job j on j.id = s.id and j.created_at = s.created_at
            where j.parent is null
        ), capped as (
            select c.id, c.tenant, 0::bigint as service, c.started_at, c.finished_at from claimed c
            union all
            select c.id, c.tenant, c.service_id, c.started_at, c.finished_at
            from claimed c
            where exists (
                select from cap_change x where x.tenant = c.tenant and x.service = c.service_id and x.service <> 0)
        ), moment as (
            select c.id, c.tenant, c.service, c.started_at as at, 1 as step from capped c
            union all
            select c.id, c.tenant, c.service, c.finished_at, -1 from capped c where c.finished_at < 'infinity'
        ), counted as (
            select m.*, sum(m.step) over (
                partition by m.tenant, m.service order by m.at, m.step rows unbounded preceding) as running
            from moment m
        )
        select c.id
        from counted c
        where c.step = 1 and c.running > (
            -- Nothing is said of moments before the first cap that is known.
            select max(x.cap)
            from cap_change x
            where x.tenant = c.tenant and x.service = c.service and x.changed_at <= c.at + interval '1 second'
                and not exists (
                    select from cap_change y
                    where y.tenant = x.tenant and y.service = x.service and y.changed_at > x.changed_at
                        and y.changed_at <= c.at - interval '1 second')
        )
        """)

    private static let auditKeys = Statement(
        "audit_keys",
        """
        select i.job from idempotency i
        left join job j on j.id = i.job
        where j.tenant is distinct from i.tenant and i.expires_at > now()
        """)

    /// The sums of days that are kept, against what the attempts of those days say. A day whose jobs are dropped has
    /// nothing to be compared with.
    private static let auditUsage = Statement(
        "audit_usage",
        """
        with ended as (
            select r.id, r.created_at, r.tenant, 1 as jobs, (r.started_at is not null)::integer as attempts from result r
            union all
            select a.id, a.created_at, a.tenant, 0, 1 from attempt a
        ), seen as (
            select (j.created_at at time zone 'UTC')::date as day, e.tenant, j.service, sum(e.jobs) as jobs,
                sum(e.attempts) as attempts, min(j.id::text)::uuid as example
            from ended e
            join job j on j.id = e.id and j.created_at = e.created_at
            join tenant t on t.id = e.tenant and t.deleted_at is null
            group by 1, 2, 3
        )
        select s.example
        from seen s
        join usage_day d on d.day = s.day
        left join usage u on u.day = s.day and u.tenant = s.tenant and u.service = s.service
        where u.jobs is distinct from s.jobs or u.attempts is distinct from s.attempts
        """)

    static let depth = Statement(
        "queue_depth",
        """
        select
            (select count(*) from (
                select from lane l
                cross join lateral (
                    select from ready r where r.tenant = l.tenant and r.kind < 5 limit $1::bigint) as r
                where l.kinds & 31 <> 0
                limit $1::bigint) as r),
            (select count(*) from (select from ready r where r.class & 1 = 1 limit $1::bigint) as r),
            (select count(*) from (select from delayed limit $1::bigint) d),
            (select count(*) from (select from run limit $1::bigint) r),
            coalesce(extract(epoch from now() - (
                select min(greatest(j.created_at, j.run_at))
                from (
                    -- The oldest of each lane; of the lanes, those whose oldest came first.
                    select r.id, r.created_at
                    from lane l
                    cross join generate_series(0, 9) as k (kind)
                    cross join lateral (
                        select r.id, r.created_at, r.seq from ready r
                        where r.tenant = l.tenant and r.kind = k.kind
                            and r.seq > case when k.kind < 5 then l.head else l.head_asynchronous end
                        order by r.seq limit 1
                    ) as r
                    where l.kinds & (1 << k.kind) <> 0
                    order by r.seq limit 10
                ) as r
                join job j on j.id = r.id and j.created_at = r.created_at)), 0)::double precision,
            count(*), coalesce(sum(w.slots), 0)::bigint
        from worker w where w.heartbeat_at > now() - make_interval(secs => $2::double precision)
        """)

    /// Now by the database's clock.
    static let now = Statement("queue_now", "select clock_timestamp()")
}
