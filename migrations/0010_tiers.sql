-- The sandbox's tiers: how well a worker contains scripts, and what tenants demand at least. Here a tier is its rank: 0 for
-- none, 1 for C, 2 for B, 3 for A. Every function that was there keeps its name and its parameters; the workers of before,
-- which contain nothing, get what demands nothing.

-- What a tenant's quotas demand. What can not be read demands the most: better no run than one in less.
create function demanded_tier_1(p_quotas text) returns smallint
    language plpgsql immutable set search_path = public, pg_temp
    as $$
begin
    return coalesce(array_position(array['C', 'B', 'A'], p_quotas::jsonb ->> 'min_tier'), 0);
exception when others then
    return 3;
end
$$;
alter table tenant add column min_tier smallint not null generated always as (demanded_tier_1(quotas)) stored;

alter table worker add column tier smallint not null default 0;

-- The least tier that the job runs in: what its tenant demanded when it was accepted, or at any time since. A tenant that
-- lowers its demand frees new jobs only.
alter table ready add column min_tier smallint not null default 0;
alter table run add column min_tier smallint not null default 0;
alter table delayed add column min_tier smallint not null default 0;
-- A claim looks at the head of each demand that it can meet, and at nothing of the others, however many wait there.
alter table ready drop constraint ready_pkey, add primary key (min_tier, class, seq);

-- Takes what waits along where a tenant demands more. What changes places at this moment is missed: the claim asks for the
-- tenant's demand of its own moment, too.
create function raise_demand() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    as $$
begin
    update delayed set min_tier = new.min_tier where tenant = new.id and min_tier < new.min_tier;
    update ready set min_tier = new.min_tier where tenant = new.id and min_tier < new.min_tier;
    return null;
end
$$;
alter function raise_demand() owner to scriptorium_system;
revoke execute on function raise_demand() from public;
create trigger raise_demand after update of quotas on tenant
    for each row when (new.min_tier > old.min_tier) execute function raise_demand();

-- As before, with what the tenant demands.
create or replace function enqueue_2(
    p_ids uuid[], p_tenants bigint[], p_apps bigint[], p_accounts bigint[], p_services text[], p_service_ids bigint[],
    p_versions integer[], p_methods text[], p_asynchronous boolean[], p_max_attempts smallint[], p_wall_ms integer[],
    p_ingresses bigint[], p_requests bytea[], p_summaries bytea[], p_languages smallint[], p_retry_on_error boolean[],
    p_run_at timestamptz[], p_delay_ms bigint[], p_start_within_ms bigint[], p_retry_of uuid[],
    p_callers text[], p_keys bytea[], p_fingerprints bytea[], p_repeat boolean
) returns table (id uuid, existing uuid, fingerprint bytea)
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
#variable_conflict use_column
declare
    refused uuid[] := '{}';
begin
    -- A repeat must see what the first try has done: it waits for the first try's end, should that still be under way.
    perform pg_advisory_xact_lock(hashtextextended(p_ids[1]::text, 0));
    if exists (select from unnest(p_keys) k where k is not null) then
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
        select coalesce(array_agg(n.id), '{}') into refused
        from unnest(p_tenants, p_callers, p_keys, p_ids) as n (tenant, caller, key, id)
        join idempotency i on i.tenant = n.tenant and i.caller = n.caller and i.key = n.key
        where i.job <> n.id;
    end if;
    with input as materialized (
        select
            n.*, coalesce((select t.min_tier from tenant t where t.id = n.tenant), 0) as min_tier,
            coalesce(n.run_at, now() + n.delay_ms * interval '1 millisecond') as due
        from unnest(
            p_ids, p_tenants, p_apps, p_accounts, p_services, p_service_ids, p_versions, p_methods, p_asynchronous,
            p_max_attempts, p_wall_ms, p_ingresses, p_requests, p_summaries, p_languages, p_retry_on_error, p_run_at,
            p_delay_ms, p_start_within_ms, p_retry_of
        ) as n (
            id, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts, wall_ms, ingress,
            request, summary, language, retry_on_error, run_at, delay_ms, start_within_ms, retry_of
        )
        where n.id <> all (refused)
            and (not p_repeat or not exists (
                select from job j where j.id = n.id and j.created_at > now() - interval '10 minutes'
            ))
    ), written as (
        insert into job (
            id, created_at, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts, wall_ms,
            ingress, request, summary, retry_on_error, run_at, retry_of
        )
        select
            i.id, now(), i.tenant, i.app, i.account, i.service, i.service_id, i.version, i.method, i.asynchronous,
            i.max_attempts, i.wall_ms, i.ingress, i.request, i.summary, i.retry_on_error, i.due, i.retry_of
        from input i
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language, start_by, min_tier)
        select
            i.asynchronous::integer::smallint, i.tenant, i.id, now(), 1, i.language,
            now() + i.start_within_ms * interval '1 millisecond', i.min_tier
        from input i where i.due is null or i.due <= now()
    )
    insert into delayed (run_at, class, tenant, id, created_at, attempt, language, start_by, min_tier)
    select
        i.due, i.asynchronous::integer::smallint, i.tenant, i.id, now(), 1, i.language,
        i.due + i.start_within_ms * interval '1 millisecond', i.min_tier
    from input i where i.due > now();
    if cardinality(refused) > 0 then
        return query
            select n.id, i.job, i.fingerprint
            from unnest(p_tenants, p_callers, p_keys, p_ids) as n (tenant, caller, key, id)
            join idempotency i on i.tenant = n.tenant and i.caller = n.caller and i.key = n.key
            where n.id = any (refused);
    end if;
end
$$;

-- Hands up to `p_want` jobs of these languages to a worker, synchronous ones first, each in the order of arrival. They demand
-- no better containment than the worker has now (`p_tier`) and had when it was registered. A worker without a row has been
-- given up and gets nothing. It commits asynchronously: a claim that a crash undoes only puts the jobs back.
create function claim_3(p_worker bigint, p_want integer, p_languages smallint[], p_tier smallint)
    returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint,
        retry_on_error boolean, request bytea
    )
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
#variable_conflict use_column
declare
    able integer;
    -- How many are taken of each demand, from 0 on.
    shares bigint[] := array[p_want];
    is_mixed boolean := false;
    wanted bigint := p_want;
    got bigint;
begin
    perform set_config('synchronous_commit', 'off', true);
    select least(w.tier, p_tier) into able from worker w where w.id = p_worker;
    if able > 0 and exists (select from ready r where r.min_tier between 1 and able) then
        -- Which are next, of all demands together. Nothing is locked yet: what is not taken stays free for others.
        is_mixed := true;
        with next as materialized (
            select d.demand
            from generate_series(0, able) as d (demand)
            cross join lateral (
                select r.class, r.seq
                from ready r
                where r.min_tier = d.demand
                    and (r.language = 0 or r.language = any (p_languages))
                    and (r.start_by is null or r.start_by > now())
                    and coalesce((select t.min_tier from tenant t where t.id = r.tenant), 0) <= able
                order by r.class, r.seq
                limit p_want
            ) as r
            order by r.class, r.seq
            limit p_want
        )
        select array(
            select (select count(*) from next n where n.demand = d.demand)
            from generate_series(0, able) as d (demand) order by d.demand
        ) into shares;
    end if;
    loop
        return query
            with candidate as materialized (
                -- Materialized: the limits must be taken before the join, and each row locked once.
                select s.demand, c.class, c.seq
                from unnest(shares) with ordinality as u (share, number)
                cross join lateral (select (u.number - 1)::smallint as demand) as s
                cross join lateral (
                    select r.class, r.seq
                    from ready r
                    where exists (select from worker w where w.id = p_worker)
                        and r.min_tier = s.demand
                        and (r.language = 0 or r.language = any (p_languages))
                        and (r.start_by is null or r.start_by > now())
                        and coalesce((select t.min_tier from tenant t where t.id = r.tenant), 0) <= able
                    order by r.class, r.seq
                    limit u.share
                    for update of r skip locked
                ) as c
                order by c.class, c.seq
                limit wanted
            ), taken as (
                -- The delete is the arbiter: who deletes the row has the job.
                delete from ready r using candidate c
                where r.min_tier = c.demand and r.class = c.class and r.seq = c.seq
                returning r.class, r.seq, r.tenant, r.id, r.created_at, r.attempt, r.language, r.min_tier
            ), started as (
                insert into run (id, created_at, tenant, class, worker, attempt, started_at, language, min_tier)
                select
                    t.id, t.created_at, t.tenant, t.class, p_worker, t.attempt, clock_timestamp(), t.language, t.min_tier
                from taken t
                on conflict do nothing
                returning run.id, run.created_at
            )
            select
                t.id, t.created_at, t.tenant, j.asynchronous, t.attempt, j.max_attempts, j.service, j.service_id,
                j.version, j.method, j.wall_ms, j.ingress, j.retry_on_error, j.request
            from taken t
            -- The moment of the acceptance goes through every join: whichever is done first, a payload is looked for in
            -- the partition of its day.
            join started s on s.id = t.id and s.created_at = t.created_at
            join job j on j.id = t.id and j.created_at = t.created_at
            order by t.class, t.seq;
        get diagnostics got = row_count;
        wanted := wanted - got;
        -- Of those that were next others may just be taking some. Then there may be more behind them, of any demand.
        exit when wanted = 0 or not is_mixed or (select sum(n) from unnest(shares) as u (n)) < p_want;
        is_mixed := false;
        shares := array_fill(wanted, array[able + 1]);
    end loop;
end
$$;

-- As before, for workers that contain nothing.
create or replace function claim_2(p_worker bigint, p_want integer, p_languages smallint[])
    returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint,
        retry_on_error boolean, request bytea
    )
    language sql security definer set search_path = public, pg_temp
    as $$ select * from claim_3(p_worker, p_want, p_languages, 0::smallint) $$;

-- As before, keeping what the job demands.
create or replace function reap_1(p_lease interval)
    returns table (id uuid, ingress bigint, requeued boolean)
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
#variable_conflict use_column
begin
    delete from worker w
    where w.id in (
        select d.id from worker d where d.heartbeat_at < now() - p_lease for update skip locked
    );
    -- A statement of its own, for a snapshot of its own: a run row that it sees was written by a worker whose row it sees
    -- too, unless that worker is gone.
    return query
        with lost as (
            delete from run r
            where r.id in (
                select l.id from run l
                where not exists (select from worker w where w.id = l.worker)
                for update skip locked
            )
            returning r.id, r.created_at, r.tenant, r.class, r.worker, r.attempt, r.started_at, r.language, r.min_tier
        ), judged as (
            select l.*, j.ingress, j.asynchronous and l.attempt < j.max_attempts as again
            from lost l
            join job j on j.id = l.id and j.created_at = l.created_at
        ), recorded as (
            insert into attempt (id, created_at, tenant, attempt, worker, status, started_at, finished_at)
            select g.id, g.created_at, g.tenant, g.attempt, g.worker, 5, g.started_at, clock_timestamp()
            from judged g where g.again
        ), back as (
            insert into ready (class, tenant, id, created_at, attempt, language, min_tier)
            select g.class, g.tenant, g.id, g.created_at, g.attempt + 1, g.language, g.min_tier
            from judged g where g.again and g.attempt = 1
        ), put_off as (
            insert into delayed (run_at, class, tenant, id, created_at, attempt, language, min_tier)
            select
                now() + backoff_1(g.attempt), g.class, g.tenant, g.id, g.created_at, g.attempt + 1, g.language, g.min_tier
            from judged g where g.again and g.attempt > 1
        ), ended as (
            insert into result (id, created_at, tenant, status, attempt, worker, started_at, finished_at)
            select g.id, g.created_at, g.tenant, 5, g.attempt, g.worker, g.started_at, clock_timestamp()
            from judged g where not g.again
        )
        select g.id, g.ingress, g.again from judged g;
end
$$;

-- As before, keeping what the job demands.
create or replace function heartbeat_1(p_worker bigint, p_held uuid[]) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    returned bigint;
begin
    update worker set heartbeat_at = now() where id = p_worker;
    if not found then
        return null;
    end if;
    with back as (
        -- An answer that is still on its way is younger.
        delete from run r
        where r.worker = p_worker and r.started_at < now() - interval '30 seconds' and r.id <> all (p_held)
        returning r.class, r.tenant, r.id, r.created_at, r.attempt, r.language, r.min_tier
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language, min_tier)
        select b.class, b.tenant, b.id, b.created_at, b.attempt, b.language, b.min_tier from back b
        returning 1
    )
    select count(*) into returned from queued;
    return returned;
end
$$;

-- As before, keeping what the job demands.
create or replace function release_1(p_worker bigint, p_ids uuid[], p_spent boolean) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    released bigint;
begin
    with back as (
        delete from run r where r.id = any (p_ids) and r.worker = p_worker
        returning r.class, r.tenant, r.id, r.created_at, r.attempt, r.language, r.min_tier, r.started_at
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language, min_tier)
        select b.class, b.tenant, b.id, b.created_at, b.attempt, b.language, b.min_tier from back b where not p_spent
        returning 1
    ), recorded as (
        insert into attempt (id, created_at, tenant, attempt, worker, status, started_at, finished_at)
        select b.id, b.created_at, b.tenant, b.attempt, p_worker, 5, b.started_at, clock_timestamp()
        from back b where p_spent
    ), put_off as (
        insert into delayed (run_at, class, tenant, id, created_at, attempt, language, min_tier)
        select
            now() + backoff_1(b.attempt), b.class, b.tenant, b.id, b.created_at, b.attempt + 1, b.language, b.min_tier
        from back b where p_spent
        returning 1
    )
    select (select count(*) from queued) + (select count(*) from put_off) into released;
    return released;
end
$$;

-- As before, keeping what the job demands.
create or replace function retry_1(
    p_worker bigint, p_id uuid, p_attempt smallint, p_status smallint, p_cpu_us bigint, p_peak_memory bigint
) returns timestamptz
    language sql security definer set search_path = public, pg_temp
    set enable_seqscan = off set jit = off
    as $$
        with back as (
            delete from run r where r.id = p_id and r.worker = p_worker and r.attempt = p_attempt
            returning r.class, r.tenant, r.id, r.created_at, r.attempt, r.language, r.min_tier, r.started_at
        ), recorded as (
            insert into attempt (
                id, created_at, tenant, attempt, worker, status, started_at, finished_at, cpu_us, peak_memory
            )
            select
                b.id, b.created_at, b.tenant, b.attempt, p_worker, p_status, b.started_at, clock_timestamp(), p_cpu_us,
                p_peak_memory
            from back b
        )
        insert into delayed (run_at, class, tenant, id, created_at, attempt, language, min_tier)
        select
            now() + backoff_1(b.attempt), b.class, b.tenant, b.id, b.created_at, b.attempt + 1, b.language, b.min_tier
        from back b
        returning run_at
    $$;

-- As before, keeping what the job demands.
create or replace function promote_1(p_limit integer) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    moved bigint;
begin
    perform set_config('synchronous_commit', 'off', true);
    with due as materialized (
        select d.run_at, d.id from delayed d where d.run_at <= now() order by d.run_at, d.id limit p_limit
        for update skip locked
    ), taken as (
        delete from delayed d using due where d.run_at = due.run_at and d.id = due.id
        returning d.class, d.tenant, d.id, d.created_at, d.attempt, d.language, d.min_tier, d.start_by
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language, min_tier, start_by)
        select t.class, t.tenant, t.id, t.created_at, t.attempt, t.language, t.min_tier, t.start_by from taken t
        returning 1
    )
    select count(*) into moved from queued;
    return moved;
end
$$;

-- As before; a job stands in the queue once.
create or replace function expire_1(p_limit integer) returns table (id uuid, ingress bigint)
    language sql security definer set search_path = public, pg_temp
    as $$
        with late as materialized (
            select r.id from ready r where r.start_by <= now() limit p_limit for update skip locked
        ), gone as (
            delete from ready r using late l where r.id = l.id
            returning r.id, r.created_at, r.tenant, r.attempt
        ), ended as (
            insert into result (id, created_at, tenant, status, attempt, worker, finished_at)
            select g.id, g.created_at, g.tenant, 4, g.attempt - 1, 0, clock_timestamp() from gone g
        )
        select g.id, j.ingress from gone g join job j on j.id = g.id and j.created_at = g.created_at
    $$;

do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = 'claim_3'
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;
