-- Up to where a lane has nothing any more is known exactly now: by the numbers that had been given to jobs when a claim
-- looked, and the transactions that had them. What the largest number was that a claim had taken said less: somebody could
-- still commit a smaller one, which then waited for the next recount.

-- Who adds a job has the queue's table first and then the lanes, a claim has them the other way round: to wait for one while
-- the other is had would be a circle with one of them. So all are had at once, or none. What is under way is let through.
do $$
declare
    before text := current_setting('lock_timeout');
begin
    for try in 1..600 loop
        begin
            -- Shorter than what is taken for a circle.
            set local lock_timeout = '100ms';
            lock table lane, ready, run in access exclusive mode;
            perform set_config('lock_timeout', before, true);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.1);
        end;
    end loop;
    raise exception 'the queue''s tables are in use all the time: end what holds them for long (pg_stat_activity shows it), and migrate again';
end
$$;

-- How far numbers have been given away.
grant select on sequence ready_seq_seq to scriptorium_system;
-- Before when the lanes are not given a new file, in milliseconds since 1970.
create sequence lane_renew_after minvalue 0;
select setval('lane_renew_after', 0);
grant usage, select, update on sequence lane_renew_after to scriptorium_system;
-- When somebody looked after the lanes, likewise.
create sequence lane_tended_at minvalue 0;
select setval('lane_tended_at', 0);
grant usage, select, update on sequence lane_tended_at to scriptorium_system;

-- Transactions that are older, by a second at least, wait for something else, and are not waited for.
create sequence lane_old_xid minvalue 0;
create sequence lane_old_xid_next minvalue 0;
select setval('lane_old_xid', 0), setval('lane_old_xid_next', 0);
grant usage, select, update on sequence lane_old_xid, lane_old_xid_next to scriptorium_system;

-- A claim that is under way with the functions of before fails by this once, and is asked again.
alter table lane
    -- Up to where there is nothing any more, of jobs that somebody waits for and of others, so that a claim passes over
    -- nothing that is dead. They can come as far as `next_head` when all transactions before `next_xid` have ended: nobody
    -- else can still commit a smaller number. Looked at ten times a second.
    add column head bigint not null default 0, add column head_asynchronous bigint not null default 0,
    add column next_head bigint not null default 0, drop column next_heads,
    add column next_xid bigint not null default 0,
    -- There for what programs of before measure: they see no age of the oldest job for as long as they run on.
    alter column heads drop not null, alter column heads drop default,
    -- Which demands wait says nothing that is needed any more; and a claim keeps what it knows of its lanes to itself.
    drop column top_tier, drop column short, drop column asynchronous;
-- A worker's runs are asked for a few times in a minute, and were written down for it with every job. (Worse, the end of
-- many at once went through all of the worker's runs for each.)
drop index run_worker;

-- From an owner row-level security would hide them.
set local role scriptorium_system;
update lane set heads = null, heads_at = '-infinity';
reset role;

-- Whoever takes such a number has a transaction's before, and not only when the row is written.
create function ready_begun() returns trigger
    language plpgsql set search_path = public, pg_temp
    as $$
begin
    perform pg_current_xact_id();
    return null;
end
$$;
create trigger ready_begun before insert on ready for each statement execute function ready_begun();

-- Jobs that have come to wait make their lanes able to give something.
create or replace function ready_added() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
declare
    tenants bigint[];
    their_kinds integer[];
    their_languages integer[];
    missing boolean;
    changes boolean;
    spots tid[];
    clock bigint;
begin
    select array_agg(a.tenant), array_agg(a.kinds), array_agg(a.languages) into tenants, their_kinds, their_languages
    from (
        select a.tenant, bit_or(1 << a.kind) as kinds, bit_or(1 << a.language) as languages
        from added a group by a.tenant order by a.tenant
    ) as a;
    if tenants is null then
        return null;
    end if;
    -- Whoever parks a lane must be alone with it. It is asked for before the lane is looked at: either a park is seen
    -- here, or it sees what was added.
    perform pg_advisory_xact_lock_shared(7, b.bucket)
    from (select distinct (t % 1024)::integer as bucket from unnest(tenants) as t order by 1) as b;
    -- (`offset 0` has each lane looked up by its tenant, however few there were when this was planned.)
    select count(l.kinds) < count(*), bool_or(l.kinds & a.kinds <> a.kinds or l.languages & a.languages <> a.languages)
    into missing, changes
    from unnest(tenants, their_kinds, their_languages) as a (tenant, kinds, languages)
    left join lateral (select l.kinds, l.languages from lane l where l.tenant = a.tenant offset 0) as l on true;
    if missing then
        insert into lane (tenant) select t from unnest(tenants) as t order by t on conflict do nothing;
    end if;
    if missing or changes then
        select array_agg(l.spot), array_agg(a.kinds), array_agg(a.languages) into spots, their_kinds, their_languages
        from unnest(tenants, their_kinds, their_languages) as a (tenant, kinds, languages)
        cross join lateral (
            select l.ctid as spot from lane l
            where l.tenant = a.tenant and (l.kinds & a.kinds <> a.kinds or l.languages & a.languages <> a.languages)
            offset 0
            for no key update
        ) as l;
        -- Not before they are locked: that may have taken long.
        clock := pg_sequence_last_value('lane_clock');
        update lane l
        set kinds = l.kinds | c.kinds,
            -- What an empty lane had is over.
            languages = case when l.kinds = 0 then 0 else l.languages end | c.languages,
            -- Before all who wait for their next turn: they can be many, and each has had one.
            vtime = case when l.runnable then l.vtime else greatest(l.vtime, clock - 1) end
        from unnest(spots, their_kinds, their_languages) as c (spot, kinds, languages)
        where l.ctid = c.spot;
    end if;
    return null;
end
$$;

-- Lets jobs go on that a service's cap has kept back, as many as it has room for. The lanes of `p_tenants` are locked.
create or replace function free_held(p_tenants bigint[], p_services bigint[]) returns void
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
declare
    clock bigint;
begin
    clock := pg_sequence_last_value('lane_clock');
    with next as materialized (
        select h.tenant, h.kind, h.seq
        from unnest(p_tenants, p_services) as p (tenant, service)
        left join service_cap c on c.tenant = p.tenant and c.service = p.service
        cross join lateral (
            select r.tenant, r.kind, r.seq
            from ready r
            where r.tenant = p.tenant and r.held_for = p.service
            order by r.rank, r.seq
            -- Without a cap, all.
            limit case when c.cap is not null then greatest(0, c.cap - c.in_flight) end
        ) as h
    ), freed as (
        update ready r set held_for = null
        from next n where r.tenant = n.tenant and r.kind = n.kind and r.seq = n.seq
        returning r.tenant, r.kind, r.language
    )
    update lane l
    set kinds = l.kinds | f.kinds, languages = case when l.kinds = 0 then 0 else l.languages end | f.languages,
        head = 0, head_asynchronous = 0, next_head = 0,
        vtime = case when l.runnable then l.vtime else greatest(l.vtime, clock) end
    from (
        select f.tenant, bit_or(1 << f.kind) as kinds, bit_or(1 << f.language) as languages
        from freed f group by f.tenant
    ) as f
    where l.tenant = f.tenant and l.tenant = any (p_tenants);
end
$$;

-- A tenant's lane follows its quotas. Its name is before `raise_demand`: the lane is locked first.
create or replace function lane_quotas() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    as $$
begin
    insert into lane as l (tenant, cap, stride, suspended, min_tier)
    values (new.id, lane_cap(new.quotas), lane_stride(new.quotas), new.suspended, new.min_tier)
    on conflict (tenant) do update
        set cap = excluded.cap, stride = excluded.stride, suspended = excluded.suspended, min_tier = excluded.min_tier,
            vtime = greatest(l.vtime, (select last_value from lane_clock));
    if tg_op = 'INSERT' or lane_cap(new.quotas) <> lane_cap(old.quotas) then
        insert into cap_change (tenant, service, cap) values (new.id, 0, lane_cap(new.quotas));
    end if;
    return null;
end
$$;

-- Notes that runs have ended. What a recount has overtaken is left out: it errs on the safe side, and the next recount mends
-- it. `p_services` holds a 0 for runs that no cap but their tenant's counts.
create or replace function credit_1(p_tenants bigint[], p_services bigint[], p_counts integer[], p_generations bigint[])
    returns void
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
declare
    spots tid[];
    tenants bigint[];
    generations bigint[];
    counts integer[];
    clock bigint;
begin
    select array_agg(l.spot), array_agg(l.tenant), array_agg(l.generation), array_agg(l.n)
    into spots, tenants, generations, counts
    from (
        select
            l.spot, i.tenant, l.generation,
            case when i.generation >= l.generation then i.n else (
                select coalesce(sum(e.n), 0)::integer
                from unnest(p_tenants, p_counts, p_generations) as e (tenant, n, generation)
                where e.tenant = i.tenant and e.generation >= l.generation
            ) end as n
        from (
            select i.tenant, sum(i.n)::integer as n, min(i.generation) as generation
            from unnest(p_tenants, p_counts, p_generations) as i (tenant, n, generation)
            group by i.tenant order by i.tenant
        ) as i
        cross join lateral (
            select l.ctid as spot, l.generation from lane l where l.tenant = i.tenant offset 0 for no key update
        ) as l
    ) as l;
    if 0 <> any (p_services) then
        update service_cap c
        set in_flight = greatest(0, c.in_flight - i.n)
        from (
            select i.tenant, i.service, sum(i.n) as n
            from unnest(p_tenants, p_services, p_counts, p_generations) as i (tenant, service, n, generation)
            join unnest(tenants, generations) as l (tenant, generation) on l.tenant = i.tenant
            where i.service <> 0 and i.generation >= l.generation
            group by i.tenant, i.service
        ) as i
        where c.tenant = i.tenant and c.service = i.service;
        perform free_held(p_tenants, p_services);
        -- That may have written the lanes.
        select array_agg(l.spot) into spots
        from unnest(tenants) as t (tenant)
        cross join lateral (select l.ctid as spot from lane l where l.tenant = t.tenant offset 0) as l;
    end if;
    -- Not before they are locked: that may have taken long.
    clock := pg_sequence_last_value('lane_clock');
    update lane l
    set in_flight = greatest(0, l.in_flight - c.n), touched_at = clock_timestamp(),
        vtime = case when l.runnable then l.vtime else greatest(l.vtime, clock) end
    from unnest(spots, counts) as c (spot, n)
    where l.ctid = c.spot and c.n > 0;
end
$$;

-- As enqueue_2, with priorities, and with bounds where the caller gives them: how many jobs of the tenant may wait, how many
-- may be accepted on a day (UTC), and how much processor time its jobs may have used before. Returns those it did not
-- accept: for their idempotency key, or with the bound that refused them (1 waiting, 2 jobs, 3 processor time in
-- microseconds) and what is used of it. What is refused leaves nothing behind. Also returns, as bound 0, how many waited of
-- each tenant whose jobs were counted, with one of its jobs.
create or replace function enqueue_3(
    p_ids uuid[], p_tenants bigint[], p_apps bigint[], p_accounts bigint[], p_services text[], p_service_ids bigint[],
    p_versions integer[], p_methods text[], p_asynchronous boolean[], p_max_attempts smallint[], p_wall_ms integer[],
    p_ingresses bigint[], p_requests bytea[], p_summaries bytea[], p_languages smallint[], p_retry_on_error boolean[],
    p_run_at timestamptz[], p_delay_ms bigint[], p_start_within_ms bigint[], p_retry_of uuid[],
    p_callers text[], p_keys bytea[], p_fingerprints bytea[], p_priorities smallint[], p_max_queued bigint[],
    p_jobs_per_day bigint[], p_cpu_us_per_day bigint[], p_repeat boolean
) returns table (id uuid, existing uuid, fingerprint bytea, bound smallint, in_use bigint)
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    today date := (now() at time zone 'UTC')::date;
    has_keys boolean := exists (select from unnest(p_keys) k where k is not null);
    repeated uuid[] := '{}';
    written uuid[] := '{}';
    refused uuid[] := '{}';
    refused_bounds smallint[] := '{}';
    refused_uses bigint[] := '{}';
    counted bigint[];
    counts bigint[];
begin
    -- A repeat must see what the first try has done: it waits for the first try's end, should that still be under way.
    perform pg_advisory_xact_lock(hashtextextended(p_ids[1]::text, 0));
    if p_repeat then
        select coalesce(array_agg(j.id), '{}') into written
        from unnest(p_ids) as n (id)
        join job j on j.id = n.id and j.created_at > now() - interval '10 minutes';
    end if;
    if has_keys then
        -- Waits for others that write the same keys at the same time. In the order of the keys, so that two batches never
        -- wait for each other.
        delete from idempotency i
        using (
            select o.tenant, o.caller, o.key
            from idempotency o
            join unnest(p_tenants, p_callers, p_keys) as n (tenant, caller, key)
                on o.tenant = n.tenant and o.caller = n.caller and o.key = n.key
            where o.expires_at <= now()
            order by o.tenant, o.caller, o.key
            for update of o
        ) as late
        where i.tenant = late.tenant and i.caller = late.caller and i.key = late.key;
        insert into idempotency (tenant, caller, key, fingerprint, job, expires_at)
        select n.tenant, n.caller, n.key, n.fingerprint, n.id, now() + interval '24 hours'
        from unnest(p_tenants, p_callers, p_keys, p_fingerprints, p_ids) as n (tenant, caller, key, fingerprint, id)
        where n.key is not null
        order by n.tenant, n.caller, n.key
        on conflict do nothing;
        -- A statement of its own sees what those others have written.
        select coalesce(array_agg(n.id), '{}') into repeated
        from unnest(p_tenants, p_callers, p_keys, p_ids) as n (tenant, caller, key, id)
        join idempotency i on i.tenant = n.tenant and i.caller = n.caller and i.key = n.key
        where i.job <> n.id;
    end if;
    if exists (
        select from unnest(p_max_queued, p_jobs_per_day, p_cpu_us_per_day) as b (queued, jobs, cpu)
        where b.queued is not null or b.jobs is not null or b.cpu is not null
    ) then
        -- Two batches that count at the same moment would both find the same room.
        perform pg_advisory_xact_lock(8, b.bucket)
        from (
            select distinct (n.tenant % 1024)::integer as bucket
            from unnest(p_tenants, p_max_queued) as n (tenant, most) where n.most is not null
            order by 1
        ) as b;
        insert into budget (tenant, day)
        select distinct n.tenant, today
        from unnest(p_tenants, p_jobs_per_day) as n (tenant, jobs) where n.jobs is not null
        order by 1
        on conflict do nothing;
        perform from budget b
        where b.day = today
            and b.tenant in (select n.tenant from unnest(p_tenants, p_jobs_per_day) as n (tenant, jobs) where n.jobs is not null)
        order by b.tenant
        for no key update;
        with fresh as materialized (
            select n.*, row_number() over (partition by n.tenant order by n.place) as number
            from unnest(p_ids, p_tenants, p_max_queued, p_jobs_per_day, p_cpu_us_per_day) with ordinality
                as n (id, tenant, max_queued, jobs, cpu, place)
            where n.id <> all (repeated) and n.id <> all (written)
        ), waiting as materialized (
            select
                t.tenant,
                -- No further than the bound, which says how far it may cost something.
                (select count(*) from (select from ready r where r.tenant = t.tenant limit t.most) as r)
                + (select count(*) from (select from delayed d where d.tenant = t.tenant limit t.most) as d) as count
            from (select n.tenant, max(n.max_queued) as most from fresh n where n.max_queued is not null group by 1) as t
        ), judged as (
            select
                n.id, n.place,
                case
                    when w.count + n.number > n.max_queued then 1
                    when coalesce(b.jobs, 0) + n.number > n.jobs then 2
                    when coalesce(b.cpu_us, 0) >= n.cpu then 3
                end as bound,
                w.count as waiting, b.jobs, b.cpu_us
            from fresh n
            left join waiting w on w.tenant = n.tenant
            left join budget b on b.tenant = n.tenant and b.day = today
        )
        select
            coalesce(array_agg(j.id order by j.place), '{}'), coalesce(array_agg(j.bound::smallint order by j.place), '{}'),
            coalesce(
                array_agg(
                    coalesce(case j.bound when 1 then j.waiting when 2 then j.jobs else j.cpu_us end, 0) order by j.place), '{}'),
            (select array_agg(w.tenant order by w.tenant) from waiting w),
            (select array_agg(w.count order by w.tenant) from waiting w)
        into refused, refused_bounds, refused_uses, counted, counts
        from judged j where j.bound is not null;
        if has_keys and cardinality(refused) > 0 then
            delete from idempotency i
            using unnest(p_tenants, p_callers, p_keys, p_ids) as n (tenant, caller, key, id)
            where n.id = any (refused) and i.tenant = n.tenant and i.caller = n.caller and i.key = n.key and i.job = n.id;
        end if;
        update budget b
        set jobs = b.jobs + n.count
        from (
            select n.tenant, count(*) as count
            from unnest(p_ids, p_tenants, p_jobs_per_day) as n (id, tenant, jobs)
            where n.jobs is not null and n.id <> all (repeated) and n.id <> all (written) and n.id <> all (refused)
            group by n.tenant
        ) as n
        where b.tenant = n.tenant and b.day = today;
    end if;
    with input as materialized (
        select
            n.*, coalesce((select t.min_tier from tenant t where t.id = n.tenant), 0) as min_tier,
            coalesce(n.run_at, now() + n.delay_ms * interval '1 millisecond') as due,
            (n.asynchronous::integer + 2 * case
                when n.priority > 50 then 2 when n.priority > 0 then 1 when n.priority = 0 then 0
                when n.priority >= -50 then 3 else 4 end)::smallint as class
        from unnest(
            p_ids, p_tenants, p_apps, p_accounts, p_services, p_service_ids, p_versions, p_methods, p_asynchronous,
            p_max_attempts, p_wall_ms, p_ingresses, p_requests, p_summaries, p_languages, p_retry_on_error, p_run_at,
            p_delay_ms, p_start_within_ms, p_retry_of, p_priorities
        ) as n (
            id, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts, wall_ms, ingress,
            request, summary, language, retry_on_error, run_at, delay_ms, start_within_ms, retry_of, priority
        )
        where n.id <> all (repeated) and n.id <> all (written) and n.id <> all (refused)
    ), accepted as (
        insert into job (
            id, created_at, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts, wall_ms,
            ingress, request, summary, retry_on_error, run_at, retry_of, priority
        )
        select
            i.id, now(), i.tenant, i.app, i.account, i.service, i.service_id, i.version, i.method, i.asynchronous,
            i.max_attempts, i.wall_ms, i.ingress, i.request, i.summary, i.retry_on_error, i.due, i.retry_of, i.priority
        from input i
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language, start_by, min_tier)
        select
            i.class, i.tenant, i.id, now(), 1, i.language, now() + i.start_within_ms * interval '1 millisecond', i.min_tier
        from input i where i.due is null or i.due <= now()
    )
    insert into delayed (run_at, class, tenant, id, created_at, attempt, language, start_by, min_tier)
    select
        i.due, i.class, i.tenant, i.id, now(), 1, i.language, i.due + i.start_within_ms * interval '1 millisecond',
        i.min_tier
    from input i where i.due > now();
    if cardinality(repeated) > 0 then
        return query
            select n.id, i.job, i.fingerprint, null::smallint, null::bigint
            from unnest(p_tenants, p_callers, p_keys, p_ids) as n (tenant, caller, key, id)
            join idempotency i on i.tenant = n.tenant and i.caller = n.caller and i.key = n.key
            where n.id = any (repeated);
    end if;
    if cardinality(refused) > 0 then
        return query
            select o.id, null::uuid, null::bytea, o.bound, o.in_use
            from unnest(refused, refused_bounds, refused_uses) as o (id, bound, in_use);
    end if;
    if counted is not null then
        return query
            select distinct on (n.tenant) n.id, null::uuid, null::bytea, 0::smallint, c.count
            from unnest(p_ids, p_tenants) as n (id, tenant)
            join unnest(counted, counts) as c (tenant, count) on c.tenant = n.tenant
            where n.id <> all (refused);
    end if;
end
$$;

-- From where on lanes are looked for. It follows the lanes a second behind: where a lane stands is decided before it
-- is there for others.
create or replace function lane_floor_1() returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan
    as $$
declare
    now_ms bigint := (extract(epoch from clock_timestamp()) * 1000)::bigint;
    mark bigint;
    next bigint;
    lowest bigint;
begin
    select f.last_value into mark from lane_floor f;
    if now_ms < (select s.last_value + 1000 from lane_floor_since s) then
        return mark;
    end if;
    -- Done twice at once, it would follow by no time at all.
    if not pg_try_advisory_xact_lock(hashtext('scriptorium.floor'))
        or now_ms < (select s.last_value + 1000 from lane_floor_since s)
    then
        return mark;
    end if;
    perform setval('lane_floor_since', now_ms);
    perform setval('lane_old_xid', (select n.last_value from lane_old_xid_next n));
    perform setval('lane_old_xid_next', pg_snapshot_xmax(pg_current_snapshot())::text::bigint);
    select n.last_value into next from lane_floor_next n;
    if next > mark then
        perform setval('lane_floor', next);
        mark := next;
    end if;
    select l.vtime into lowest from lane l where l.runnable and l.vtime >= mark order by l.vtime limit 1;
    -- Who comes now stands one before the clock.
    perform setval('lane_floor_next', greatest(0, least(lowest, (select c.last_value from lane_clock c)) - 1));
    return mark;
end
$$;

-- Hands up to `p_want` jobs of these languages to a worker, at most `p_want_asynchronous` of them asynchronous ones: fairly
-- over the tenants by their weights, within the caps of tenants and services, and of each tenant those first that somebody
-- waits for, then by their priority, then in the order of arrival. They demand no better containment than the worker has now
-- (`p_tier`) and had when it was registered. A worker without a row has been given up and gets nothing.
-- What has ended since the worker's last claim is noted first (see credit_1). `capped` says that a service's cap counts it.
--
-- It commits asynchronously: a claim that a crash undoes only puts the jobs back.
create or replace function claim_4(
    p_worker bigint, p_want integer, p_want_asynchronous integer, p_languages smallint[], p_tier smallint,
    p_ended_tenants bigint[] default '{}', p_ended_services bigint[] default '{}', p_ended_counts integer[] default '{}',
    p_ended_generations bigint[] default '{}'
) returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint,
        retry_on_error boolean, request bytea, capped boolean
    )
    language plpgsql security definer set search_path = public, pg_temp
    -- A bitmap would read all that a tenant has waiting, where an index in its order ends at the first few.
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    able smallint;
    spoken integer;
    sought integer := 1023;
    wanted integer := p_want;
    wanted_asynchronous integer := least(p_want, p_want_asynchronous);
    snapshot pg_snapshot;
    old_xid bigint;
    mark bigint;
    share integer;
    moment timestamptz;
    next bigint;
    -- Given to jobs before this transaction has a number of its own: whoever has taken one of these has a smaller one.
    given_seq bigint;
    -- All transactions before it have ended, but for those that are old.
    ended_xid bigint;
    -- The lanes of a round: how many more of each may run, whether its heads may move, how many were taken, and whether
    -- nobody adds to it.
    chosen bigint[];
    lanes tid[];
    rooms integer[];
    dues boolean[];
    counts integer[];
    alone boolean[];
    is_due boolean;
    written integer;
    top bigint;
    clock bigint;
    has_caps boolean;
    -- Places in the queue that a round has found.
    spots tid[];
    ids uuid[];
    services bigint[];
    -- What it has taken from there, and all rounds have.
    taken_tenants bigint[];
    taken_ids uuid[];
    taken_created timestamptz[];
    taken_attempts smallint[];
    taken_services bigint[];
    taken_asynchronous integer;
    oldest timestamptz;
    newest timestamptz;
    all_ids uuid[] := '{}';
    all_created timestamptz[] := '{}';
    all_attempts smallint[] := '{}';
    all_services bigint[] := '{}';
begin
    perform set_config('synchronous_commit', 'off', true);
    snapshot := pg_current_snapshot();
    given_seq := coalesce(pg_sequence_last_value('ready_seq_seq'), 0);
    old_xid := pg_sequence_last_value('lane_old_xid');
    clock := pg_sequence_last_value('lane_clock');
    if cardinality(p_ended_tenants) > 0 then
        perform credit_1(p_ended_tenants, p_ended_services, p_ended_counts, p_ended_generations);
    end if;
    select least(w.tier, p_tier) into able from worker w where w.id = p_worker;
    if able is null or p_want <= 0 then
        return;
    end if;
    select 1 | bit_or(1 << l) into spoken from unnest(p_languages) as l;
    ended_xid := pg_snapshot_xmin(snapshot)::text::bigint;
    if ended_xid < old_xid then
        select coalesce(min(x.xid), pg_snapshot_xmax(snapshot)::text::bigint) into ended_xid
        from (select pg_snapshot_xip(snapshot)::text::bigint as xid) as x where x.xid >= old_xid;
    end if;
    mark := pg_sequence_last_value('lane_floor');
    for round in 1..8 loop
        if wanted_asynchronous > 0 then
            select
                array_agg(c.lane), array_agg(c.tenant), array_agg(c.room), array_agg(c.due), bool_or(c.due), max(c.vtime),
                bool_or(c.has_caps)
            into lanes, chosen, rooms, dues, is_due, top, has_caps
            from (
                select
                    l.ctid as lane, l.tenant, l.vtime, l.cap - l.in_flight as room, l.has_caps,
                    l.heads_at < clock_timestamp() - interval '100 milliseconds' and l.next_xid <= ended_xid as due
                from lane l
                where l.runnable and l.vtime >= mark and l.min_tier <= able and l.languages & spoken <> 0
                -- Several of each, where they have so many.
                order by l.vtime limit case when wanted <= 10 or round > 1 then wanted else greatest(10, wanted / 5) end
                for no key update skip locked
            ) as c;
        else
            sought := 31;
            select
                array_agg(c.lane), array_agg(c.tenant), array_agg(c.room), array_agg(c.due), bool_or(c.due), max(c.vtime),
                bool_or(c.has_caps)
            into lanes, chosen, rooms, dues, is_due, top, has_caps
            from (
                select
                    l.ctid as lane, l.tenant, l.vtime, l.cap - l.in_flight as room, l.has_caps,
                    l.heads_at < clock_timestamp() - interval '100 milliseconds' and l.next_xid <= ended_xid as due
                from lane l
                where l.runnable and (l.kinds & 31) <> 0 and l.vtime >= mark and l.min_tier <= able
                    and l.languages & spoken <> 0
                order by l.vtime limit case when wanted <= 10 or round > 1 then wanted else greatest(10, wanted / 5) end
                for no key update skip locked
            ) as c;
        end if;
        if chosen is null then
            exit when wanted < p_want;
            if mark > 0 then
                -- Perhaps there is one that has come late.
                mark := 0;
                continue;
            end if;
            -- Or others hold all that there are, for a moment. Who holds none may wait for one, and for no more: a lane
            -- that is not runnable any more when it is had stays locked all the same. (Whoever has locked anything has the
            -- number of a transaction.)
            exit when pg_current_xact_id_if_assigned() is not null;
            select l.tenant into next
            from lane l
            where l.runnable and l.kinds & sought <> 0 and l.min_tier <= able and l.languages & spoken <> 0
            order by l.vtime limit 1;
            exit when next is null;
            perform from lane l where l.tenant = next for no key update;
            select array[l.ctid], array[l.tenant], array[l.cap - l.in_flight], array[false], false, l.vtime, l.has_caps
            into lanes, chosen, rooms, dues, is_due, top, has_caps
            from lane l where l.tenant = next and l.runnable;
            exit when chosen is null;
        end if;
        if top > clock then
            clock := pg_sequence_last_value('lane_clock');
            if top > clock then
                clock := setval('lane_clock', top);
            end if;
        end if;
        share := (wanted + cardinality(chosen) - 1) / cardinality(chosen);
        moment := clock_timestamp();
        -- Statements of their own from here on, for snapshots of their own: a lane's lock says nothing about what else was
        -- seen before it.
        select array_agg(c.ctid), array_agg(c.id), null into spots, ids, services
        from (
            select s.ctid, s.id
            from (
                select
                    r.ctid, r.id, r.kind, r.place, l.vtime, l.tenant,
                    count(*) filter (where r.kind >= 5) over (order by r.place, l.vtime, l.tenant) as asynchronous_number
                from lane l
                cross join lateral (
                    select o.*, row_number() over () as place
                    from (
                        select r.ctid, r.id, r.kind
                        from (
                            select k.kind, case when k.kind < 5 then l.head else l.head_asynchronous end as head
                            from unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as k (kind)
                            where l.kinds & sought & (1 << k.kind) <> 0
                        ) as k
                        cross join lateral (
                            select r.ctid, r.id, r.kind, r.seq
                            from ready r
                            where r.tenant = l.tenant and r.kind = k.kind and r.seq > k.head
                                and (1 << r.language) & spoken <> 0 and r.min_tier <= able
                                and (r.start_by is null or r.start_by > now())
                            order by r.seq
                            limit least(share, l.cap - l.in_flight)
                        ) as r
                        order by r.kind, r.seq
                        limit least(share, l.cap - l.in_flight)
                    ) as o
                ) as r
                where l.tenant = any (chosen)
            ) as s
            where s.kind < 5 or s.asynchronous_number <= wanted_asynchronous
            order by s.place, s.vtime, s.tenant
            limit wanted
        ) as c;
        if has_caps then
            -- What is too much for its service stands aside, until one of it ends.
            with numbered as materialized (
                select
                    c.spot, r.id, c.place, case when s.cap is not null then s.service end as service,
                    row_number() over (partition by r.tenant, s.service order by c.place) > s.cap - s.in_flight as is_over
                from unnest(spots) with ordinality as c (spot, place)
                join ready r on r.ctid = c.spot
                join job j on j.id = r.id and j.created_at = r.created_at
                left join service_cap s on s.tenant = r.tenant and s.service = j.service_id
            ), held as (
                update ready r set held_for = n.service
                from numbered n where n.is_over and r.ctid = n.spot and r.id = n.id
            )
            select array_agg(n.spot), array_agg(n.id), array_agg(n.service) into spots, ids, services
            from (select * from numbered n where n.is_over is not true order by n.place) as n;
        end if;
        -- The delete is the arbiter: who deletes the row has the job.
        with taken as (
            delete from ready r
            using unnest(spots, ids, services) with ordinality as c (spot, id, service, place)
            where r.ctid = c.spot and r.id = c.id
            returning r.id, r.created_at, r.tenant, r.class, r.attempt, r.language, r.min_tier, c.service, c.place
        ), started as (
            insert into run (id, created_at, tenant, class, worker, attempt, started_at, language, min_tier, service)
            select
                t.id, t.created_at, t.tenant, t.class, p_worker, t.attempt, clock_timestamp(), t.language, t.min_tier,
                t.service
            from taken t
            on conflict do nothing
        )
        select
            coalesce(array_agg(t.id), '{}'), array_agg(t.created_at), array_agg(t.tenant), array_agg(t.attempt),
            array_agg(t.service), coalesce(sum(t.class & 1), 0), least(oldest, min(t.created_at)), greatest(newest, max(t.created_at))
        into taken_ids, taken_created, taken_tenants, taken_attempts, taken_services, taken_asynchronous,
            oldest, newest
        from (select * from taken t order by t.place) as t;
        if has_caps then
            update service_cap c set in_flight = c.in_flight + t.n
            from (
                select t.tenant, t.service, count(*) as n
                from unnest(taken_tenants, taken_services) as t (tenant, service)
                where t.service is not null group by 1, 2
            ) as t
            where c.tenant = t.tenant and c.service = t.service;
        end if;
        -- Those that gave less than they were asked for are empty now, perhaps; but only who is alone with a lane can know.
        select
            array_agg(c.lane), array_agg(c.n),
            array_agg(case when c.n < least(share, c.room)
                then pg_try_advisory_xact_lock(7, (c.tenant % 1024)::integer) else false end),
            array_agg(c.due)
        into lanes, counts, alone, dues
        from (
            select o.tenant, max(o.lane) as lane, sum(o.n)::integer as n, max(o.room) as room, bool_or(o.due) as due
            from (
                select t.tenant, null::tid as lane, 1 as n, null::integer as room, null::boolean as due
                from unnest(taken_tenants) as t (tenant)
                union all
                select c.tenant, c.lane, 0, c.room, c.due
                from unnest(chosen, lanes, rooms, dues) as c (tenant, lane, room, due)
            ) as o
            group by o.tenant
        ) as c;
        if not is_due and not true = any (alone) then
            update lane l
            set in_flight = l.in_flight + c.n, touched_at = moment,
                -- One that had nothing for this worker does not stand in its way the next time.
                vtime = l.vtime + l.stride * case when c.n = 0 and wanted_asynchronous >= wanted then 1 else c.n end
            from unnest(lanes, counts) as c (lane, n)
            where l.ctid = c.lane;
        else
            update lane l
            set in_flight = l.in_flight + c.n, touched_at = moment,
                vtime = l.vtime + l.stride * case when c.n = 0 and wanted_asynchronous >= wanted then 1 else c.n end,
                -- An empty one leaves the index.
                kinds = case when c.alone then (
                    select coalesce(bit_or(1 << k.kind), 0)
                    from unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as k (kind)
                    where l.kinds & (1 << k.kind) <> 0 and exists (
                        select from ready r
                        where r.tenant = l.tenant and r.kind = k.kind
                            and r.seq > case when k.kind < 5 then l.head else l.head_asynchronous end)
                ) else l.kinds end,
                -- What all have ended who could still commit it is there or never will be: the heads move on to what is there.
                head = case when c.due then greatest(l.head, least(l.next_head, (
                    select r.seq - 1
                    from unnest('{0,1,2,3,4}'::smallint[]) as k (kind)
                    cross join lateral (
                        select r.seq from ready r
                        where r.tenant = l.tenant and r.kind = k.kind and r.seq > l.head order by r.seq limit 1
                    ) as r
                    where l.kinds & (1 << k.kind) <> 0 order by r.seq limit 1
                ))) else l.head end,
                head_asynchronous = case when c.due then greatest(l.head_asynchronous, least(l.next_head, (
                    select r.seq - 1
                    from unnest('{5,6,7,8,9}'::smallint[]) as k (kind)
                    cross join lateral (
                        select r.seq from ready r
                        where r.tenant = l.tenant and r.kind = k.kind and r.seq > l.head_asynchronous order by r.seq limit 1
                    ) as r
                    where l.kinds & (1 << k.kind) <> 0 order by r.seq limit 1
                ))) else l.head_asynchronous end,
                next_head = case when c.due then given_seq else l.next_head end,
                next_xid = case when c.due then pg_current_xact_id()::text::bigint else l.next_xid end,
                heads_at = case when c.due then moment else l.heads_at end
            from unnest(lanes, counts, alone, dues) as c (lane, n, alone, due)
            where l.ctid = c.lane;
        end if;
        get diagnostics written = row_count;
        if written <> cardinality(lanes) then
            raise exception 'a lane that was locked has moved';
        end if;
        all_ids := all_ids || taken_ids;
        all_created := all_created || taken_created;
        all_attempts := all_attempts || taken_attempts;
        all_services := all_services || taken_services;
        wanted := wanted - cardinality(taken_ids);
        wanted_asynchronous := wanted_asynchronous - taken_asynchronous;
        exit when wanted <= 0;
    end loop;
    if extract(epoch from clock_timestamp()) * 1000 >= pg_sequence_last_value('lane_floor_since') + 1000 then
        perform lane_floor_1();
    end if;
    return query
        select
            j.id, j.created_at, j.tenant, j.asynchronous, t.attempt, j.max_attempts, j.service, j.service_id, j.version,
            j.method, j.wall_ms, j.ingress, j.retry_on_error, j.request, t.service is not null
        from unnest(all_ids, all_created, all_attempts, all_services) with ordinality
            as t (id, created_at, attempt, service, place)
        cross join lateral (
            select * from job j
            where j.id = t.id and j.created_at = t.created_at
                -- Of other days' partitions none is opened.
                and j.created_at between oldest and newest
            offset 0
        ) as j
        order by t.place;
end
$$;

-- As finish_3, but the room that the runs leave in their lanes is made by the worker's next claim, which is told the
-- generation with each accepted id. `p_budgets` names the tenant of each whose processor time counts against a budget.
create or replace function finish_4(
    p_budgets bigint[],
    p_worker bigint, p_ids uuid[], p_attempts smallint[], p_statuses smallint[], p_responses bytea[],
    p_created timestamptz[], p_peak_memory bigint[], p_wall_us bigint[], p_user_us bigint[], p_system_us bigint[],
    p_waited_us bigint[], p_api_calls bigint[], p_bytes_in bigint[], p_bytes_out bigint[], p_log_bytes bigint[],
    p_repeat boolean,
    p_child_ids uuid[] default '{}', p_child_roots uuid[] default '{}', p_child_created timestamptz[] default '{}',
    p_child_parents uuid[] default '{}', p_child_services text[] default '{}', p_child_service_ids bigint[] default '{}',
    p_child_versions integer[] default '{}', p_child_methods text[] default '{}', p_child_limits_ms integer[] default '{}',
    p_child_began_us bigint[] default '{}', p_child_ended_us bigint[] default '{}',
    p_child_statuses smallint[] default '{}', p_child_peak_memory bigint[] default '{}',
    p_child_wall_us bigint[] default '{}', p_child_user_us bigint[] default '{}', p_child_system_us bigint[] default '{}',
    p_child_waited_us bigint[] default '{}', p_child_api_calls bigint[] default '{}',
    p_child_bytes_in bigint[] default '{}', p_child_bytes_out bigint[] default '{}',
    p_child_log_bytes bigint[] default '{}', p_child_requests bytea[] default '{}', p_child_summaries bytea[] default '{}',
    p_child_responses bytea[] default '{}', p_child_line_counts integer[] default '{}',
    p_child_lines bytea[] default '{}'
) returns table (id uuid, generation bigint)
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    present bigint;
    accepted uuid[];
begin
    -- See tend_lanes_1: a recount of busy lanes is alone.
    perform pg_advisory_xact_lock_shared(9, 0);
    -- Before anything is deleted: a recount that this one does not know of has counted these runs. What an earlier try has
    -- deleted a recount may have missed: then nothing is credited, and the next recount mends it.
    present := case when p_repeat then -1 else pg_sequence_last_value('lane_generation') end;
    perform set_config('scriptorium.credit', 'later', true);
    accepted := array(
        select finish_3(
            p_worker, p_ids, p_attempts, p_statuses, p_responses, p_created, p_peak_memory, p_wall_us, p_user_us,
            p_system_us, p_waited_us, p_api_calls, p_bytes_in, p_bytes_out, p_log_bytes, p_repeat, p_child_ids,
            p_child_roots, p_child_created, p_child_parents, p_child_services, p_child_service_ids, p_child_versions,
            p_child_methods, p_child_limits_ms, p_child_began_us, p_child_ended_us, p_child_statuses,
            p_child_peak_memory, p_child_wall_us, p_child_user_us, p_child_system_us, p_child_waited_us,
            p_child_api_calls, p_child_bytes_in, p_child_bytes_out, p_child_log_bytes, p_child_requests,
            p_child_summaries, p_child_responses, p_child_line_counts, p_child_lines));
    if not p_repeat and exists (select from unnest(p_budgets) as b where b is not null) then
        insert into budget as b (tenant, day, cpu_us)
        select i.tenant, (now() at time zone 'UTC')::date, sum(i.user_us + i.system_us)
        from unnest(p_ids, p_budgets, p_user_us, p_system_us) as i (id, tenant, user_us, system_us)
        where i.tenant is not null and i.id = any (accepted)
        group by i.tenant order by i.tenant
        on conflict (tenant, day) do update set cpu_us = b.cpu_us + excluded.cpu_us;
    end if;
    return query select a, present from unnest(accepted) as a;
end
$$;

-- Looks after the lanes: counts anew where what is noted of the runs is wrong and nothing has changed for five seconds, as
-- after the death of a worker that had not said what ended. Where `p_thoroughly` it does so for lanes at their caps that
-- change all the time, too, and finds what has come in so late that nobody looks there any more. Returns how many lanes were
-- put right. Several at once do no harm, and no good.
create or replace function tend_lanes_1(p_thoroughly boolean) returns integer
    language plpgsql security definer set search_path = public, pg_temp
    set jit = off
    as $$
declare
    now_ms bigint := (extract(epoch from clock_timestamp()) * 1000)::bigint;
    wrong bigint[];
    busy bigint[] := '{}';
    counts integer[];
    runs jsonb;
    present bigint;
    mended integer := 0;
    touched integer;
begin
    perform set_config('synchronous_commit', 'off', true);
    if not pg_try_advisory_xact_lock(hashtext('scriptorium.lanes')) then
        return 0;
    end if;
    -- However many processes there are, one look through the runs in a second is enough.
    if not p_thoroughly and now_ms - pg_sequence_last_value('lane_tended_at') between 0 and 1000 then
        return 0;
    end if;
    perform setval('lane_tended_at', now_ms);
    if p_thoroughly then
        with late as materialized (
            select l.tenant from lane l
            where l.runnable and l.vtime < (select f.last_value from lane_floor f)
            for no key update skip locked
        )
        update lane l set vtime = (select c.last_value from lane_clock c) from late where l.tenant = late.tenant;
        get diagnostics touched = row_count;
        mended := mended + touched;
        with late as materialized (
            select l.tenant from lane l
            where exists (
                select from unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as k (kind)
                where case when l.kinds & (1 << k.kind) = 0
                    then exists (select from ready r where r.tenant = l.tenant and r.kind = k.kind)
                    else exists (
                        select from ready r
                        where r.tenant = l.tenant and r.kind = k.kind
                            and r.seq <= case when k.kind < 5 then l.head else l.head_asynchronous end) end
            )
            for no key update skip locked
        )
        update lane l
        set head = 0, head_asynchronous = 0, next_head = 0, kinds = 1023, languages = 63,
            vtime = greatest(l.vtime, (select c.last_value from lane_clock c))
        from late where l.tenant = late.tenant;
        get diagnostics touched = row_count;
        mended := mended + touched;
        delete from budget b where b.day < (now() at time zone 'UTC')::date - 1;
    end if;
    select array_agg(l.tenant) into wrong
    from lane l
    left join (select r.tenant, count(*) as n from run r group by r.tenant) as r on r.tenant = l.tenant
    where l.touched_at < clock_timestamp() - interval '5 seconds'
        and (
            l.in_flight <> coalesce(r.n, 0)
            or l.has_caps and exists (
                select from service_cap c
                where c.tenant = l.tenant
                    and c.in_flight <> (
                        select count(*) from run r join job j on j.id = r.id and j.created_at = r.created_at
                        where r.tenant = c.tenant and j.service_id = c.service
                    )
            )
        );
    if p_thoroughly then
        -- Of ends that are only on their way busy lanes know nothing either. To tell those from the lost ones is not needed:
        -- where no end is being written, a recount is exact, and what was on its way counts no more.
        busy := array(
            select l.tenant
            from lane l
            left join (select r.tenant, count(*) as n from run r group by r.tenant) as r on r.tenant = l.tenant
            where l.in_flight >= l.cap and l.in_flight > coalesce(r.n, 0)
                or l.has_caps and exists (
                    select from service_cap c
                    where c.tenant = l.tenant and c.in_flight >= c.cap
                        and c.in_flight > (
                            select count(*) from run r join job j on j.id = r.id and j.created_at = r.created_at
                            where r.tenant = c.tenant and j.service_id = c.service
                        )
                )
            limit 100);
    end if;
    if cardinality(busy) > 0 then
        -- All ends wait for this from here on, and so it does not wait for one of them for long.
        declare
            before text := current_setting('lock_timeout');
        begin
            set local lock_timeout = '200ms';
            perform pg_advisory_xact_lock(9, 0);
            perform set_config('lock_timeout', before, true);
            wrong := wrong || busy;
        exception when lock_not_available then
            busy := '{}';
        end;
    end if;
    if wrong is not null then
        select array_agg(l.tenant order by l.tenant) into wrong
        from (
            select l.tenant from lane l
            where l.tenant = any (wrong)
                and (l.tenant = any (busy) or l.touched_at < clock_timestamp() - interval '5 seconds')
            order by l.tenant for no key update skip locked
        ) as l;
    end if;
    if wrong is not null then
        -- The look, and then the new generation: a finish that knows of the generation is later than the look.
        select
            -- All in one look: the lanes are locked.
            array(
                select coalesce(r.n, 0)::integer
                from unnest(wrong) with ordinality as w (tenant, place)
                left join (select r.tenant, count(*) as n from run r where r.tenant = any (wrong) group by r.tenant) as r
                    on r.tenant = w.tenant
                order by w.place),
            (
                select coalesce(jsonb_agg(jsonb_build_array(c.tenant, c.service, coalesce(r.n, 0))), '[]')
                from service_cap c
                left join (
                    select r.tenant, j.service_id, count(*) as n
                    from run r join job j on j.id = r.id and j.created_at = r.created_at
                    where r.tenant in (select s.tenant from service_cap s where s.tenant = any (wrong))
                    group by r.tenant, j.service_id
                ) as r on r.tenant = c.tenant and r.service_id = c.service
                where c.tenant = any (wrong)
            )
        into counts, runs;
        present := nextval('lane_generation');
        update lane l
        set in_flight = w.n, generation = present, touched_at = clock_timestamp(),
            vtime = greatest(l.vtime, (select last_value from lane_clock))
        from unnest(wrong, counts) as w (tenant, n)
        where l.tenant = w.tenant;
        get diagnostics touched = row_count;
        mended := mended + touched;
        update service_cap c set in_flight = (r.value ->> 2)::integer
        from jsonb_array_elements(runs) as r (value)
        where c.tenant = (r.value ->> 0)::bigint and c.service = (r.value ->> 1)::bigint;
        perform free_held(
            array(select (r.value ->> 0)::bigint from jsonb_array_elements(runs) as r (value)),
            array(select (r.value ->> 1)::bigint from jsonb_array_elements(runs) as r (value)));
    end if;
    return mended;
end
$$;

-- Gives the lanes a new file where what is dead in the old one slows everybody, because a long transaction elsewhere keeps
-- vacuum from it. True where it did. Everybody waits for that long: some milliseconds. Where it can not have the lanes to
-- itself, everybody has waited for nothing: then nobody tries again for ten seconds. (A dump holds them until it ends.)
create or replace function renew_lanes_1() returns boolean
    language plpgsql security definer set search_path = public, pg_temp
    set lock_timeout = '200ms' set jit = off
    as $$
declare
    now_ms bigint := (extract(epoch from clock_timestamp()) * 1000)::bigint;
    kept lane[];
begin
    if pg_sequence_last_value('lane_renew_after') - now_ms between 1 and 10000 then
        return false;
    end if;
    if pg_total_relation_size('lane') < 1048576
        or pg_total_relation_size('lane') < 1048576 + 2048 * (select count(*) from lane)
    then
        return false;
    end if;
    lock table lane in access exclusive mode;
    kept := array(select l from lane l);
    truncate lane;
    insert into lane (
        tenant, kinds, languages, vtime, in_flight, cap, stride, suspended, min_tier, has_caps, head, head_asynchronous,
        next_head, next_xid, heads_at, generation, touched_at
    )
    select
        k.tenant, k.kinds, k.languages, k.vtime, k.in_flight, k.cap, k.stride, k.suspended, k.min_tier, k.has_caps,
        k.head, k.head_asynchronous, k.next_head, k.next_xid, k.heads_at, k.generation, k.touched_at
    from unnest(kept) as k;
    return true;
exception when lock_not_available then
    perform setval('lane_renew_after', now_ms + 10000);
    return false;
end
$$;

-- --- Old caps -----------------------------------------------------------------------------------------------------------

-- Forgets what caps were so long ago that no run of then is known, but for the last of each.
create function forget_caps_1(p_seconds double precision) returns void
    language sql security definer set search_path = public, pg_temp
    as $$
        delete from cap_change c
        where exists (
            select from cap_change n
            where n.tenant = c.tenant and n.service = c.service and n.changed_at > c.changed_at
                and n.changed_at < now() - make_interval(secs => p_seconds)
        )
    $$;

-- --- Daily budgets -----------------------------------------------------------------------------------------------------

-- Notes processor time against a tenant's daily budget.
create function spend_1(p_tenant bigint, p_cpu_us bigint) returns void
    language sql security definer set search_path = public, pg_temp
    as $$
        insert into budget as b (tenant, day, cpu_us) values (p_tenant, (now() at time zone 'UTC')::date, p_cpu_us)
        on conflict (tenant, day) do update set cpu_us = b.cpu_us + excluded.cpu_us
    $$;

-- As retry_2; where `p_budget` names the tenant, what the attempt has used counts against its budget.
create function retry_3(
    p_budget bigint, p_worker bigint, p_id uuid, p_attempt smallint, p_status smallint, p_peak_memory bigint,
    p_wall_us bigint, p_user_us bigint, p_system_us bigint, p_waited_us bigint, p_api_calls bigint, p_bytes_in bigint,
    p_bytes_out bigint, p_log_bytes bigint
) returns timestamptz
    language plpgsql security definer set search_path = public, pg_temp
    as $$
declare
    retried_at timestamptz;
begin
    -- Before the lane is locked, in the order of who accepts jobs.
    if p_budget is not null then
        perform spend_1(p_budget, p_user_us + p_system_us);
    end if;
    retried_at := retry_2(
        p_worker, p_id, p_attempt, p_status, p_peak_memory, p_wall_us, p_user_us, p_system_us, p_waited_us, p_api_calls,
        p_bytes_in, p_bytes_out, p_log_bytes);
    if retried_at is null and p_budget is not null then
        -- It is settled, by who comes to know that.
        perform spend_1(p_budget, -(p_user_us + p_system_us));
    end if;
    return retried_at;
end
$$;

-- As settle_1, likewise.
create function settle_2(
    p_budget bigint, p_worker bigint, p_id uuid, p_attempt smallint, p_created timestamptz, p_peak_memory bigint,
    p_wall_us bigint, p_user_us bigint, p_system_us bigint, p_waited_us bigint, p_api_calls bigint, p_bytes_in bigint,
    p_bytes_out bigint, p_log_bytes bigint
) returns boolean
    language plpgsql security definer set search_path = public, pg_temp
    as $$
begin
    if not settle_1(
        p_worker, p_id, p_attempt, p_created, p_peak_memory, p_wall_us, p_user_us, p_system_us, p_waited_us, p_api_calls,
        p_bytes_in, p_bytes_out, p_log_bytes)
    then
        return false;
    end if;
    if p_budget is not null then
        perform spend_1(p_budget, p_user_us + p_system_us);
    end if;
    return true;
end
$$;

do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in ('ready_begun', 'forget_caps_1', 'spend_1', 'retry_3', 'settle_2')
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;
