-- Lanes: fair claims and exact caps. Each tenant has a lane, which says what of it waits, where it stands in virtual time,
-- how many of its jobs run and how many may. A claim visits the lanes that can give something in the order of their virtual
-- time, and moves each ahead by its stride for every job: a lane that is empty, at its cap or suspended leaves the index, so
-- that a claim costs the same however many tenants and jobs wait.
--
-- Who may do what, so that nobody waits for each other in a circle: several lanes are locked in the order of the tenants by
-- who holds no lane yet, or are skipped where they are locked. A lane is locked before the places of its jobs are changed.
--
-- Old programs run on beside the new ones: triggers keep the lanes whoever writes, and their claims become today's.

-- --- What changes in the tables of before ---------------------------------------------------------------------------

-- From -100 to 100; jobs of one tenant with more come first.
alter table job add column priority smallint not null default 0;

-- `class` has in its lowest bit whether nobody waits for the job, and above it the band of its priority: 0 none, 1 and 2
-- above, 3 and 4 below. It goes through `run` and `delayed`, and back.
create function ready_rank(p_class smallint) returns smallint
    language sql immutable parallel safe
    as $$
        select ((p_class & 1) * 5 + case p_class >> 1
            when 2 then 0 when 1 then 1 when 0 then 2 when 3 then 3 else 4 end)::smallint
    $$;
create function ready_kind(p_class smallint, p_held_for bigint) returns smallint
    language sql immutable parallel safe
    as $$
        select case when p_held_for is not null then 10::smallint else ready_rank(p_class) end
    $$;
-- The service whose cap keeps the job from being claimed; null for all others.
alter table ready add column held_for bigint;
-- The order within a tenant: 0 to 4 synchronous, 5 to 9 asynchronous, each by band.
alter table ready add column rank smallint not null generated always as (ready_rank(class)) stored;
-- The same for what can be claimed; 10 is held.
alter table ready add column kind smallint not null generated always as (ready_kind(class, held_for)) stored;
alter table ready drop constraint ready_pkey, add primary key (tenant, kind, seq);
create index ready_held on ready (tenant, held_for, rank, seq) where held_for is not null;
-- How many wait counts against a quota.
create index delayed_tenant on delayed (tenant);

-- The script's service, where its cap counts the run.
alter table run add column service bigint;

-- --- Sequences, which have no versions that a long transaction could keep --------------------------------------------

-- The virtual time: how far the lanes have come that were served last.
create sequence lane_clock minvalue 0;
-- No lane that can give something stands behind it, but for those of transactions that are older than half a second.
create sequence lane_floor minvalue 0;
-- What it will be next, and since when that is known, in milliseconds since 1970.
create sequence lane_floor_next minvalue 0;
create sequence lane_floor_since minvalue 0;
-- Is raised with every recount.
create sequence lane_generation minvalue 0;
do $$
declare
    s text;
begin
    foreach s in array array['lane_clock', 'lane_floor', 'lane_floor_next', 'lane_floor_since', 'lane_generation'] loop
        perform setval(s::regclass, 0);
        execute format('grant usage, select, update on sequence %I to scriptorium_system', s);
    end loop;
end
$$;

-- --- The lanes -------------------------------------------------------------------------------------------------------

-- What quotas say; what can not be read is the default.
create function lane_cap(p_quotas text) returns integer
    language plpgsql immutable set search_path = public, pg_temp
    as $$
begin
    if not p_quotas::jsonb ? 'max_concurrent' then
        return 10;
    end if;
    return least(2147483647, greatest(1, floor(coalesce((p_quotas::jsonb ->> 'max_concurrent')::numeric, 2147483647))))::integer;
exception when others then
    return 10;
end
$$;
create function lane_stride(p_quotas text) returns bigint
    language plpgsql immutable set search_path = public, pg_temp
    as $$
begin
    return coalesce(round(1000000 / (p_quotas::jsonb ->> 'weight')::numeric), 1000000)::bigint;
exception when others then
    return 1000000;
end
$$;

create table lane (
    tenant bigint primary key,
    -- Which kinds of `ready` wait, a bit each; bits that are set for nothing go when the lane is parked.
    kinds integer not null default 0,
    -- The languages and the highest demand of those that wait, likewise.
    languages integer not null default 0,
    top_tier smallint not null default 0,
    vtime bigint not null default 0,
    in_flight integer not null default 0,
    cap integer not null default 10,
    -- How far a job moves the lane: inverse to the tenant's weight.
    stride bigint not null default 1000000,
    suspended boolean not null default false,
    -- What the tenant demands of a sandbox now.
    min_tier smallint not null default 0,
    -- Whether services of the tenant have caps of their own.
    has_caps boolean not null default false,
    -- For each kind, up to where all has been taken; and what it will be a tenth of a second after `heads_at`, when nobody
    -- can still commit something that was numbered before.
    heads bigint[] not null default '{0,0,0,0,0,0,0,0,0,0}',
    next_heads bigint[] not null default '{0,0,0,0,0,0,0,0,0,0}',
    heads_at timestamptz not null default '-infinity',
    -- Whether the last visit got less than it asked for, and how many of what it got were asynchronous.
    short boolean not null default false,
    asynchronous integer not null default 0,
    -- The recount that `in_flight` comes from.
    generation bigint not null default 0,
    touched_at timestamptz not null default now(),
    runnable boolean not null generated always as (kinds <> 0 and in_flight < cap and not suspended) stored
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
create index lane_next on lane (vtime) where runnable;
create index lane_next_synchronous on lane (vtime) where runnable and (kinds & 31) <> 0;
select protect('lane', 'select');
grant truncate on lane to scriptorium_system;

-- Services with a cap of their own.
create table service_cap (
    tenant bigint not null,
    service bigint not null,
    cap integer not null,
    in_flight integer not null default 0,
    primary key (tenant, service)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
select protect('service_cap', 'select');

-- What caps were from when on, for who looks back whether they were kept. Service 0 stands for the whole tenant.
create table cap_change (
    tenant bigint not null,
    service bigint not null,
    cap integer not null,
    changed_at timestamptz not null default clock_timestamp()
);
create index cap_change_order on cap_change (tenant, service, changed_at);
select protect('cap_change', 'select');

-- What a tenant with a daily budget has used on a day (UTC).
create table budget (
    tenant bigint not null,
    day date not null,
    jobs bigint not null default 0,
    cpu_us bigint not null default 0,
    primary key (tenant, day)
) with (fillfactor = 50);
select protect('budget', 'select');

-- --- Triggers --------------------------------------------------------------------------------------------------------

-- Jobs that have come to wait make their lanes able to give something.
create function ready_added() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
declare
    tenants bigint[];
    their_kinds integer[];
    their_languages integer[];
    their_tiers smallint[];
begin
    select array_agg(a.tenant), array_agg(a.kinds), array_agg(a.languages), array_agg(a.tier)
    into tenants, their_kinds, their_languages, their_tiers
    from (
        select a.tenant, bit_or(1 << a.kind) as kinds, bit_or(1 << a.language) as languages, max(a.min_tier) as tier
        from added a group by a.tenant order by a.tenant
    ) as a;
    if tenants is null then
        return null;
    end if;
    -- Whoever parks a lane must be alone with it. It is asked for before the lane is looked at: either a park is seen
    -- here, or it sees what was added.
    perform pg_advisory_xact_lock_shared(7, b.bucket)
    from (select distinct (t % 1024)::integer as bucket from unnest(tenants) as t order by 1) as b;
    if exists (select from unnest(tenants) as t where not exists (select from lane l where l.tenant = t)) then
        insert into lane (tenant) select t from unnest(tenants) as t order by t on conflict do nothing;
    end if;
    perform from lane l
    join unnest(tenants, their_kinds, their_languages, their_tiers) as a (tenant, kinds, languages, tier) on a.tenant = l.tenant
    where l.kinds & a.kinds <> a.kinds or l.languages & a.languages <> a.languages or l.top_tier < a.tier
    order by l.tenant
    for no key update of l;
    if found then
        update lane l
        set kinds = l.kinds | a.kinds, languages = l.languages | a.languages, top_tier = greatest(l.top_tier, a.tier),
            vtime = case when l.runnable then l.vtime else greatest(l.vtime, (select last_value from lane_clock)) end
        from unnest(tenants, their_kinds, their_languages, their_tiers) as a (tenant, kinds, languages, tier)
        where a.tenant = l.tenant
            and (l.kinds & a.kinds <> a.kinds or l.languages & a.languages <> a.languages or l.top_tier < a.tier);
    end if;
    return null;
end
$$;
create trigger ready_added after insert on ready
    referencing new table as added for each statement execute function ready_added();

-- Lets jobs go on that a service's cap has kept back, as many as it has room for. The lanes of `p_tenants` are locked.
create function free_held(p_tenants bigint[], p_services bigint[]) returns void
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
begin
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
        returning r.tenant, r.kind, r.language, r.min_tier
    )
    update lane l
    set kinds = l.kinds | f.kinds, languages = l.languages | f.languages, top_tier = greatest(l.top_tier, f.tier),
        heads = '{0,0,0,0,0,0,0,0,0,0}', next_heads = '{0,0,0,0,0,0,0,0,0,0}',
        vtime = case when l.runnable then l.vtime else greatest(l.vtime, (select last_value from lane_clock)) end
    from (
        select f.tenant, bit_or(1 << f.kind) as kinds, bit_or(1 << f.language) as languages, max(f.min_tier) as tier
        from freed f group by f.tenant
    ) as f
    where l.tenant = f.tenant;
end
$$;

-- Notes that runs have ended. What a recount has overtaken is left out: it errs on the safe side, and the next recount mends
-- it. `p_services` holds a 0 for runs that no cap but their tenant's counts.
create function credit_1(p_tenants bigint[], p_services bigint[], p_counts integer[], p_generations bigint[]) returns void
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
begin
    perform from lane l where l.tenant = any (p_tenants) order by l.tenant for no key update;
    if exists (select from unnest(p_services) as s where s <> 0) then
        update service_cap c
        set in_flight = greatest(0, c.in_flight - i.n)
        from (
            select i.tenant, i.service, sum(i.n) as n
            from unnest(p_tenants, p_services, p_counts, p_generations) as i (tenant, service, n, generation)
            join lane l on l.tenant = i.tenant
            where i.service <> 0 and i.generation >= l.generation
            group by i.tenant, i.service
        ) as i
        where c.tenant = i.tenant and c.service = i.service;
        perform free_held(p_tenants, p_services);
    end if;
    update lane l
    set in_flight = greatest(0, l.in_flight - i.n), touched_at = clock_timestamp(),
        vtime = case when l.runnable then l.vtime else greatest(l.vtime, (select last_value from lane_clock)) end
    from (
        select i.tenant, sum(i.n) as n
        from unnest(p_tenants, p_counts, p_generations) as i (tenant, n, generation)
        join lane l on l.tenant = i.tenant
        where i.generation >= l.generation
        group by i.tenant
    ) as i
    where l.tenant = i.tenant;
end
$$;

-- Runs that have ended, whoever has ended them, make room in their lanes; but for those whose worker says so with its next
-- claim, which does not wait for the disk.
create function run_ended() returns trigger
    language plpgsql security definer set search_path = public, pg_temp set jit = off
    as $$
declare
    tenants bigint[];
    services bigint[];
    counts integer[];
begin
    if current_setting('scriptorium.credit', true) = 'later' then
        return null;
    end if;
    select array_agg(e.tenant), array_agg(e.service), array_agg(e.n) into tenants, services, counts
    from (
        select e.tenant, coalesce(e.service, 0) as service, count(*)::integer as n from ended e group by 1, 2
    ) as e;
    if tenants is not null then
        perform credit_1(tenants, services, counts, array_fill(9223372036854775807, array[cardinality(tenants)]));
    end if;
    return null;
end
$$;
create trigger run_ended after delete on run
    referencing old table as ended for each statement execute function run_ended();

-- A tenant's lane follows its quotas. Its name is before `raise_demand`: the lane is locked first.
create function lane_quotas() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    as $$
begin
    insert into lane as l (tenant, cap, stride, suspended, min_tier)
    values (new.id, lane_cap(new.quotas), lane_stride(new.quotas), new.suspended, new.min_tier)
    on conflict (tenant) do update
        set cap = excluded.cap, stride = excluded.stride, suspended = excluded.suspended, min_tier = excluded.min_tier,
            top_tier = greatest(l.top_tier, excluded.min_tier),
            vtime = greatest(l.vtime, (select last_value from lane_clock));
    if tg_op = 'INSERT' or lane_cap(new.quotas) <> lane_cap(old.quotas) then
        insert into cap_change (tenant, service, cap) values (new.id, 0, lane_cap(new.quotas));
    end if;
    return null;
end
$$;
create trigger lane_quotas after insert or update of quotas, suspended on tenant
    for each row execute function lane_quotas();

-- What a service's `config` says; null where there is no cap.
create function config_cap(p_config text) returns integer
    language plpgsql immutable set search_path = public, pg_temp
    as $$
declare
    cap numeric := floor((p_config::jsonb ->> 'max_concurrent')::numeric);
begin
    return case when cap >= 1 then least(cap, 2147483647)::integer end;
exception when others then
    return null;
end
$$;

create function follow_service_cap(p_tenant bigint, p_service bigint) returns void
    language plpgsql security definer set search_path = public, pg_temp
    as $$
declare
    wanted integer;
    present integer;
begin
    select config_cap(v.config) into wanted
    from service s
    join service_version v on v.tenant = s.tenant and v.service = s.id and v.version = s.version
    where s.tenant = p_tenant and s.id = p_service;
    select c.cap into present from service_cap c where c.tenant = p_tenant and c.service = p_service;
    if wanted is not distinct from present then
        return;
    end if;
    perform from lane l where l.tenant = p_tenant for no key update;
    if wanted is null then
        delete from service_cap c where c.tenant = p_tenant and c.service = p_service;
    else
        insert into service_cap (tenant, service, cap, in_flight)
        values (
            p_tenant, p_service, wanted,
            (
                select count(*) from run r join job j on j.id = r.id and j.created_at = r.created_at
                where r.tenant = p_tenant and j.service_id = p_service
            ))
        on conflict (tenant, service) do update set cap = excluded.cap;
    end if;
    insert into cap_change (tenant, service, cap) values (p_tenant, p_service, coalesce(wanted, 2147483647));
    update lane l
    set has_caps = exists (select from service_cap c where c.tenant = p_tenant)
    where l.tenant = p_tenant;
    perform free_held(array[p_tenant], array[p_service]);
end
$$;

create function service_saved() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    as $$
begin
    if tg_table_name = 'service_version' then
        perform follow_service_cap(new.tenant, new.service);
    elsif tg_op = 'DELETE' then
        perform follow_service_cap(old.tenant, old.id);
    else
        perform follow_service_cap(new.tenant, new.id);
    end if;
    return null;
end
$$;
create trigger service_cap after insert or delete or update of version on service
    for each row execute function service_saved();
create trigger service_cap after insert on service_version
    for each row execute function service_saved();

-- --- Enqueue ---------------------------------------------------------------------------------------------------------

-- As enqueue_2, with priorities, and with bounds where the caller gives them: how many jobs of the tenant may wait, how many
-- may be accepted on a day (UTC), and how much processor time its jobs may have used before. Returns those it did not
-- accept: for their idempotency key, or with the bound that refused them (1 waiting, 2 jobs, 3 processor time in
-- microseconds) and what is used of it. What is refused leaves nothing behind.
create function enqueue_3(
    p_ids uuid[], p_tenants bigint[], p_apps bigint[], p_accounts bigint[], p_services text[], p_service_ids bigint[],
    p_versions integer[], p_methods text[], p_asynchronous boolean[], p_max_attempts smallint[], p_wall_ms integer[],
    p_ingresses bigint[], p_requests bytea[], p_summaries bytea[], p_languages smallint[], p_retry_on_error boolean[],
    p_run_at timestamptz[], p_delay_ms bigint[], p_start_within_ms bigint[], p_retry_of uuid[],
    p_callers text[], p_keys bytea[], p_fingerprints bytea[], p_priorities smallint[], p_max_queued bigint[],
    p_jobs_per_day bigint[], p_cpu_us_per_day bigint[], p_repeat boolean
) returns table (id uuid, existing uuid, fingerprint bytea, bound smallint, in_use bigint)
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
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
                    coalesce(case j.bound when 1 then j.waiting when 2 then j.jobs else j.cpu_us end, 0) order by j.place), '{}')
        into refused, refused_bounds, refused_uses
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
end
$$;

-- --- Claim -----------------------------------------------------------------------------------------------------------

-- From where on lanes are looked for. It follows the lanes half a second behind: where a lane stands is decided before it
-- is there for others.
create function lane_floor_1() returns bigint
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
    if now_ms < (select s.last_value + 500 from lane_floor_since s) then
        return mark;
    end if;
    perform setval('lane_floor_since', now_ms);
    select n.last_value into next from lane_floor_next n;
    if next > mark then
        perform setval('lane_floor', next);
        mark := next;
    end if;
    select l.vtime into lowest from lane l where l.runnable and l.vtime >= mark order by l.vtime limit 1;
    perform setval('lane_floor_next', coalesce(lowest, (select c.last_value from lane_clock c)));
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
create function claim_4(
    p_worker bigint, p_want integer, p_want_asynchronous integer, p_languages smallint[], p_tier smallint,
    p_ended_tenants bigint[] default '{}', p_ended_services bigint[] default '{}', p_ended_counts integer[] default '{}',
    p_ended_generations bigint[] default '{}'
) returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint,
        retry_on_error boolean, request bytea, capped boolean
    )
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    able smallint;
    spoken integer := 1;
    sought integer := 1023;
    wanted integer := p_want;
    wanted_asynchronous integer := least(p_want, p_want_asynchronous);
    mark bigint;
    most integer;
    share integer;
    chosen bigint[];
    top bigint;
    got integer;
    emptied bigint[];
    next bigint;
    -- Whether there are locks on lanes already.
    holds boolean := cardinality(p_ended_tenants) > 0;
    moment timestamptz;
begin
    perform set_config('synchronous_commit', 'off', true);
    if cardinality(p_ended_tenants) > 0 then
        perform credit_1(p_ended_tenants, p_ended_services, p_ended_counts, p_ended_generations);
    end if;
    select least(w.tier, p_tier) into able from worker w where w.id = p_worker;
    if able is null or p_want <= 0 then
        return;
    end if;
    select 1 | bit_or(1 << l) into spoken from unnest(p_languages) as l;
    mark := lane_floor_1();
    for round in 1..8 loop
        most := case when wanted <= 10 then wanted else greatest(10, wanted / 5) end;
        if wanted_asynchronous > 0 then
            select array_agg(c.tenant), max(c.vtime) into chosen, top
            from (
                select l.tenant, l.vtime from lane l
                where l.runnable and l.vtime >= mark and l.min_tier <= able and l.languages & spoken <> 0
                order by l.vtime limit most
                for no key update skip locked
            ) as c;
        else
            sought := 31;
            select array_agg(c.tenant), max(c.vtime) into chosen, top
            from (
                select l.tenant, l.vtime from lane l
                where l.runnable and (l.kinds & 31) <> 0 and l.vtime >= mark and l.min_tier <= able
                    and l.languages & spoken <> 0
                order by l.vtime limit most
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
            -- that is not runnable any more when it is had stays locked all the same.
            exit when holds;
            holds := true;
            select l.tenant into next
            from lane l
            where l.runnable and l.kinds & sought <> 0 and l.min_tier <= able and l.languages & spoken <> 0
            order by l.vtime limit 1;
            exit when next is null;
            perform from lane l where l.tenant = next for no key update;
            select array_agg(l.tenant), max(l.vtime) into chosen, top from lane l where l.tenant = next and l.runnable;
            exit when chosen is null;
        end if;
        holds := true;
        if top > (select c.last_value from lane_clock c) then
            perform setval('lane_clock', top);
        end if;
        share := (wanted + cardinality(chosen) - 1) / cardinality(chosen);
        moment := clock_timestamp();
        -- A statement of its own, for a snapshot of its own: a lane's lock says nothing about what else was seen before it.
        return query
            with seen as materialized (
                select l.tenant, l.vtime, l.has_caps, r.kind, r.seq, r.id, r.created_at, r.place
                from lane l
                cross join lateral (
                    select o.*, row_number() over () as place
                    from (
                        select r.kind, r.seq, r.id, r.created_at
                        from unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as k (kind)
                        cross join lateral (
                            select r.kind, r.seq, r.id, r.created_at
                            from ready r
                            where r.tenant = l.tenant and r.kind = k.kind and r.seq > l.heads[k.kind + 1]
                                and (1 << r.language) & spoken <> 0 and r.min_tier <= able
                                and (r.start_by is null or r.start_by > now())
                            order by r.seq
                            limit least(share, l.cap - l.in_flight)
                        ) as r
                        where l.kinds & sought & (1 << k.kind) <> 0
                        order by r.kind, r.seq
                        limit least(share, l.cap - l.in_flight)
                    ) as o
                ) as r
                where l.tenant = any (chosen)
            ), numbered as materialized (
                select
                    s.tenant, s.vtime, s.kind, s.seq, s.place, j.id, j.created_at, j.asynchronous, j.max_attempts,
                    j.service, j.service_id, j.version, j.method, j.wall_ms, j.ingress, j.retry_on_error, j.request,
                    c.cap - c.in_flight as room,
                    case when c.cap is not null
                        then row_number() over (partition by s.tenant, j.service_id order by s.place) end as number,
                    count(*) filter (where s.kind >= 5) over (order by s.place, s.vtime, s.tenant) as asynchronous_number
                from seen s
                join job j on j.id = s.id and j.created_at = s.created_at
                left join service_cap c on s.has_caps and c.tenant = s.tenant and c.service = j.service_id
            ), candidate as materialized (
                select * from numbered n
                where (n.number is null or n.number <= n.room)
                    and (n.kind < 5 or n.asynchronous_number <= wanted_asynchronous)
                order by n.place, n.vtime, n.tenant
                limit wanted
            ), held as (
                update ready r set held_for = n.service_id
                from numbered n
                where n.number > n.room and r.tenant = n.tenant and r.kind = n.kind and r.seq = n.seq
            ), taken as (
                -- The delete is the arbiter: who deletes the row has the job.
                delete from ready r using candidate c
                where r.tenant = c.tenant and r.kind = c.kind and r.seq = c.seq
                returning r.class, r.attempt as attempt_number, r.language, r.min_tier, c.*
            ), started as (
                insert into run (id, created_at, tenant, class, worker, attempt, started_at, language, min_tier, service)
                select
                    t.id, t.created_at, t.tenant, t.class, p_worker, t.attempt_number, clock_timestamp(), t.language,
                    t.min_tier, case when t.number is not null then t.service_id end
                from taken t
                on conflict do nothing
            ), counted as (
                update service_cap c set in_flight = c.in_flight + t.n
                from (
                    select t.tenant, t.service_id, count(*) as n from taken t where t.number is not null group by 1, 2
                ) as t
                where c.tenant = t.tenant and c.service = t.service_id
            ), moved as (
                update lane l
                set in_flight = l.in_flight + t.n, asynchronous = t.asynchronous, touched_at = moment,
                    -- One that had nothing for this worker does not stand in its way the next time.
                    vtime = l.vtime + l.stride * case
                        when t.n = 0 and wanted_asynchronous >= wanted then 1 else t.n end,
                    short = t.n < least(share, l.cap - l.in_flight),
                    heads = case when t.is_due then l.next_heads else l.heads end,
                    next_heads = case when t.is_due then array(
                        select greatest(
                            l.next_heads[k.kind + 1],
                            (select max(o.seq) from taken o where o.tenant = l.tenant and o.kind = k.kind))
                        from generate_series(0, 9) as k (kind) order by k.kind
                    ) else l.next_heads end,
                    heads_at = case when t.is_due then moment else l.heads_at end
                from (
                    select
                        o.tenant, sum(o.n)::integer as n, sum(o.asynchronous)::integer as asynchronous,
                        -- What this worker can not run, or may not take now, stands where it stood.
                        p.heads_at < moment - interval '100 milliseconds' and p.languages & ~spoken = 0
                            and p.top_tier <= able as is_due
                    from (
                        select t.tenant, 1 as n, t.class & 1 as asynchronous from taken t
                        union all
                        select c.tenant, 0, 0 from unnest(chosen) as c (tenant)
                    ) as o
                    join lane p on p.tenant = o.tenant
                    group by o.tenant, p.heads_at, p.languages, p.top_tier
                ) as t
                where l.tenant = t.tenant
            )
            select
                t.id, t.created_at, t.tenant, t.asynchronous, t.attempt_number, t.max_attempts, t.service, t.service_id,
                t.version, t.method, t.wall_ms, t.ingress, t.retry_on_error, t.request, t.number is not null
            from taken t
            order by t.place, t.vtime, t.tenant;
        get diagnostics got = row_count;
        wanted := wanted - got;
        wanted_asynchronous := wanted_asynchronous - coalesce(
            (select sum(l.asynchronous) from lane l where l.tenant = any (chosen)), 0);
        -- Those that are empty now leave the index, unless somebody is adding to them.
        select array_agg(l.tenant) into emptied
        from lane l
        where l.tenant = any (chosen) and l.short and pg_try_advisory_xact_lock(7, (l.tenant % 1024)::integer);
        if emptied is not null then
            update lane l
            set kinds = p.kinds, short = false,
                languages = case when p.kinds = 0 then 0 else l.languages end,
                top_tier = case when p.kinds = 0 then 0 else l.top_tier end
            from (
                select
                    o.tenant,
                    coalesce(bit_or(1 << k.kind) filter (
                        where exists (
                            select from ready r
                            where r.tenant = o.tenant and r.kind = k.kind and r.seq > o.heads[k.kind + 1]
                        )), 0) as kinds
                from lane o
                cross join unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as k (kind)
                where o.tenant = any (emptied)
                group by o.tenant
            ) as p
            where l.tenant = p.tenant and l.kinds <> p.kinds;
        end if;
        exit when wanted <= 0;
    end loop;
end
$$;

-- As before: the same for all.
create or replace function claim_3(p_worker bigint, p_want integer, p_languages smallint[], p_tier smallint)
    returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint,
        retry_on_error boolean, request bytea
    )
    language sql security definer set search_path = public, pg_temp
    as $$
        select c.id, c.created_at, c.tenant, c.asynchronous, c.attempt, c.max_attempts, c.service, c.service_id, c.version,
            c.method, c.wall_ms, c.ingress, c.retry_on_error, c.request
        from claim_4(p_worker, p_want, p_want, p_languages, p_tier) c
    $$;

-- --- Finish ----------------------------------------------------------------------------------------------------------

-- As finish_3, but the room that the runs leave in their lanes is made by the worker's next claim, which is told the
-- generation with each accepted id. `p_budgets` names the tenant of each whose processor time counts against a budget.
create function finish_4(
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
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    -- Before anything is deleted: a recount that this one does not know of has counted these runs.
    present bigint := (select g.last_value from lane_generation g);
    accepted uuid[];
begin
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

-- --- Upkeep ----------------------------------------------------------------------------------------------------------

-- Looks after the lanes: counts anew where what is noted of the runs is wrong and nothing has changed for five seconds, as
-- after the death of a worker that had not said what ended; and, where `p_thoroughly`, finds what has come in so late
-- that nobody looks there any more. Returns how many lanes were put right. Several at once do no harm, and no good.
create function tend_lanes_1(p_thoroughly boolean) returns integer
    language plpgsql security definer set search_path = public, pg_temp
    set jit = off
    as $$
declare
    wrong bigint[];
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
    if wrong is not null then
        select array_agg(l.tenant order by l.tenant) into wrong
        from (
            select l.tenant from lane l
            where l.tenant = any (wrong) and l.touched_at < clock_timestamp() - interval '5 seconds'
            order by l.tenant for no key update skip locked
        ) as l;
    end if;
    if wrong is not null then
        -- The look, and then the new generation: a finish that knows of the generation is later than the look.
        select
            array(
                select (select count(*) from run r where r.tenant = w.tenant)::integer
                from unnest(wrong) with ordinality as w (tenant, place) order by w.place),
            (
                select coalesce(jsonb_agg(jsonb_build_array(c.tenant, c.service, (
                    select count(*) from run r join job j on j.id = r.id and j.created_at = r.created_at
                    where r.tenant = c.tenant and j.service_id = c.service))), '[]')
                from service_cap c where c.tenant = any (wrong)
            )
        into counts, runs;
        present := nextval('lane_generation');
        update lane l
        set in_flight = w.n, generation = present, touched_at = clock_timestamp(),
            vtime = greatest(l.vtime, (select last_value from lane_clock))
        from unnest(wrong, counts) as w (tenant, n)
        where l.tenant = w.tenant;
        get diagnostics mended = row_count;
        update service_cap c set in_flight = (r.value ->> 2)::integer
        from jsonb_array_elements(runs) as r (value)
        where c.tenant = (r.value ->> 0)::bigint and c.service = (r.value ->> 1)::bigint;
        perform free_held(
            array(select (r.value ->> 0)::bigint from jsonb_array_elements(runs) as r (value)),
            array(select (r.value ->> 1)::bigint from jsonb_array_elements(runs) as r (value)));
    end if;
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
                    else l.heads[k.kind + 1] > 0 and exists (
                        select from ready r
                        where r.tenant = l.tenant and r.kind = k.kind and r.seq <= l.heads[k.kind + 1]) end
            )
            for no key update skip locked
        )
        update lane l
        set heads = '{0,0,0,0,0,0,0,0,0,0}', next_heads = '{0,0,0,0,0,0,0,0,0,0}', kinds = 1023, languages = 63, top_tier = 3,
            vtime = greatest(l.vtime, (select c.last_value from lane_clock c))
        from late where l.tenant = late.tenant;
        get diagnostics touched = row_count;
        mended := mended + touched;
        delete from budget b where b.day < (now() at time zone 'UTC')::date - 1;
    end if;
    return mended;
end
$$;

-- Gives the lanes a new file where what is dead in the old one slows everybody, because a long transaction elsewhere keeps
-- vacuum from it. True where it did. Everybody waits for that long: some milliseconds.
create function renew_lanes_1() returns boolean
    language plpgsql security definer set search_path = public, pg_temp
    set lock_timeout = '200ms' set jit = off
    as $$
declare
    kept lane[];
begin
    if pg_total_relation_size('lane') < 1048576
        or pg_total_relation_size('lane') < 1048576 + 2048 * (select count(*) from lane)
    then
        return false;
    end if;
    lock table lane in access exclusive mode;
    kept := array(select l from lane l);
    truncate lane;
    insert into lane (
        tenant, kinds, languages, top_tier, vtime, in_flight, cap, stride, suspended, min_tier, has_caps, heads, next_heads,
        heads_at, short, asynchronous, generation, touched_at
    )
    select
        k.tenant, k.kinds, k.languages, k.top_tier, k.vtime, k.in_flight, k.cap, k.stride, k.suspended, k.min_tier,
        k.has_caps, k.heads, k.next_heads, k.heads_at, k.short, k.asynchronous, k.generation, k.touched_at
    from unnest(kept) as k;
    return true;
exception when lock_not_available then
    return false;
end
$$;

do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in ('ready_added', 'free_held', 'credit_1', 'run_ended', 'lane_quotas', 'follow_service_cap',
                'service_saved', 'enqueue_3', 'lane_floor_1', 'claim_4', 'finish_4', 'tend_lanes_1', 'renew_lanes_1')
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;

-- --- What is there already -------------------------------------------------------------------------------------------

-- From an owner row-level security would hide it.
set local role scriptorium_system;
insert into lane (tenant, cap, stride, suspended, min_tier)
select t.id, lane_cap(t.quotas), lane_stride(t.quotas), t.suspended, t.min_tier from tenant t;
insert into cap_change (tenant, service, cap, changed_at) select t.id, 0, lane_cap(t.quotas), '-infinity' from tenant t;
insert into lane (tenant) select r.tenant from ready r union select r.tenant from run r on conflict do nothing;
update lane l set kinds = 1023, languages = 63, top_tier = 3 where exists (select from ready r where r.tenant = l.tenant);
update lane l set in_flight = r.n
from (select r.tenant, count(*) as n from run r group by r.tenant) as r where r.tenant = l.tenant;
select follow_service_cap(s.tenant, s.id) from service s where s.version is not null;
reset role;
