-- The whole life of a job: languages, delays, retries with a record of every attempt, idempotency keys, cancelling,
-- expiry and retention. Everything is added with defaults, and every function of 0003 keeps its name and its parameters:
-- the programs of before run on beside the new ones.

-- Small facts of the request that lists show, sealed with the tenant's data key; null for jobs of before.
alter table job add column summary bytea;
alter table job add column retry_on_error boolean not null default false;
alter table job add column run_at timestamptz;
alter table job add column retry_of uuid;
-- Lists go through a tenant's jobs from the newest.
create index job_list on job (tenant, created_at desc, id desc);

-- The language of the script (1 nodejs, 2 php, 3 python3), so that a worker takes only what it can run; 0 for jobs of
-- before, which anybody takes.
alter table ready add column language smallint not null default 0;
alter table run add column language smallint not null default 0;
alter table delayed add column language smallint not null default 0;
-- Until when the job must have been started; null where it has been, or for ever.
alter table ready add column start_by timestamptz;
alter table delayed add column start_by timestamptz;

-- When the run began that printed the piece: runs of one attempt, of which the earlier ones were handed back, stand in
-- their order.
alter table log add column run_started timestamptz;

-- Attempts that ended without ending their job; the last one is in the job's result. Append-only, partitioned as `job`.
create table attempt (
    id uuid not null,
    created_at timestamptz not null,
    tenant bigint not null,
    attempt smallint not null,
    worker bigint not null,
    -- 2 the script failed, 5 the worker was lost or could not run it
    status smallint not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    cpu_us bigint not null default 0,
    peak_memory bigint not null default 0,
    primary key (id, created_at, attempt)
) partition by range (created_at);
create table attempt_default partition of attempt default;
select protect('attempt', 'select');

-- Which job answers an idempotency key. The key is kept as its hash.
create table idempotency (
    tenant bigint not null,
    -- The app, or the account of who has none.
    caller text not null,
    key bytea not null,
    -- Of method, path, query and body.
    fingerprint bytea not null,
    job uuid not null,
    expires_at timestamptz not null,
    primary key (tenant, caller, key)
);
create index idempotency_expires on idempotency (expires_at);
select protect('idempotency', 'select');

-- Cancelling is a tenant's own doing, under its row-level security.
grant delete on ready, delayed, run to scriptorium_tenant;
grant insert on result to scriptorium_tenant;

-- Makes the partitions of today and of the next days, and returns how many are still missing. As before, and for `attempt`.
create or replace function ensure_partitions_1(p_days integer) returns integer
    language plpgsql security definer set search_path = public, pg_temp set timezone = 'UTC' set lock_timeout = '500ms'
    as $$
declare
    missing integer := 0;
    parent text;
    day date;
begin
    if not pg_try_advisory_xact_lock(hashtext('scriptorium.partitions')) then
        return 0;
    end if;
    foreach parent in array array['job', 'result', 'log', 'attempt'] loop
        for day in select generate_series(current_date, current_date + p_days, interval '1 day')::date loop
            if to_regclass(format('%I', parent || '_' || to_char(day, 'YYYYMMDD'))) is null then
                begin
                    execute format(
                        'create table %I partition of %I for values from (%L) to (%L)',
                        parent || '_' || to_char(day, 'YYYYMMDD'), parent, day::timestamptz, (day + 1)::timestamptz);
                exception when lock_not_available or check_violation then
                    missing := missing + 1;
                end;
            end if;
        end loop;
    end loop;
    return missing;
end
$$;
select ensure_partitions_1(3);

-- Accepts a batch of jobs, as enqueue_1, into the queue or among the delayed ones. Returns the jobs that it did not accept
-- because their idempotency key has a job already, with that job and the fingerprint of its request.
create function enqueue_2(
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
        select n.*, coalesce(n.run_at, now() + n.delay_ms * interval '1 millisecond') as due
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
        insert into ready (class, tenant, id, created_at, attempt, language, start_by)
        select
            i.asynchronous::integer::smallint, i.tenant, i.id, now(), 1, i.language,
            now() + i.start_within_ms * interval '1 millisecond'
        from input i where i.due is null or i.due <= now()
    )
    insert into delayed (run_at, class, tenant, id, created_at, attempt, language, start_by)
    select
        i.due, i.asynchronous::integer::smallint, i.tenant, i.id, now(), 1, i.language,
        i.due + i.start_within_ms * interval '1 millisecond'
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

-- Hands up to `p_want` jobs of these languages to a worker, synchronous ones first, each in the order of arrival. A worker
-- without a row has been given up and gets nothing. It commits asynchronously: a claim that a crash undoes only puts the
-- jobs back.
create function claim_2(p_worker bigint, p_want integer, p_languages smallint[])
    returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint,
        retry_on_error boolean, request bytea
    )
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
#variable_conflict use_column
begin
    perform set_config('synchronous_commit', 'off', true);
    return query
        -- Materialized: the limit must be taken before the join, and each row locked once.
        with candidate as materialized (
            select r.class, r.seq
            from ready r
            where exists (select from worker w where w.id = p_worker)
                and (r.language = 0 or r.language = any (p_languages))
                and (r.start_by is null or r.start_by > now())
            order by r.class, r.seq
            limit p_want
            for update of r skip locked
        ), taken as (
            -- The delete is the arbiter: who deletes the row has the job.
            delete from ready r using candidate c where r.class = c.class and r.seq = c.seq
            returning r.class, r.seq, r.tenant, r.id, r.created_at, r.attempt, r.language
        ), started as (
            insert into run (id, created_at, tenant, class, worker, attempt, started_at, language)
            select t.id, t.created_at, t.tenant, t.class, p_worker, t.attempt, clock_timestamp(), t.language from taken t
            on conflict do nothing
            returning run.id, run.created_at
        )
        select
            t.id, t.created_at, t.tenant, j.asynchronous, t.attempt, j.max_attempts, j.service, j.service_id, j.version,
            j.method, j.wall_ms, j.ingress, j.retry_on_error, j.request
        from taken t
        -- The moment of the acceptance goes through every join: whichever is done first, a payload is looked for in the
        -- partition of its day.
        join started s on s.id = t.id and s.created_at = t.created_at
        join job j on j.id = t.id and j.created_at = t.created_at
        order by t.class, t.seq;
end
$$;

-- As before: any language.
create or replace function claim_1(p_worker bigint, p_want integer)
    returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint, request bytea
    )
    language sql security definer set search_path = public, pg_temp
    as $$
        select c.id, c.created_at, c.tenant, c.asynchronous, c.attempt, c.max_attempts, c.service, c.service_id, c.version,
            c.method, c.wall_ms, c.ingress, c.request
        from claim_2(p_worker, p_want, array[1, 2, 3]::smallint[]) c
    $$;

-- How long the attempt after this one waits: a second, twice as long each time, five minutes at most, spread by half.
create function backoff_1(p_attempt integer) returns interval
    language sql volatile
    as $$ select least(interval '5 minutes', interval '1 second' * 2 ^ least(p_attempt - 1, 20)) * (0.5 + random()) $$;

-- As before, with a record of the lost attempts, and a pause before the third and later ones.
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
            returning r.id, r.created_at, r.tenant, r.class, r.worker, r.attempt, r.started_at, r.language
        ), judged as (
            select l.*, j.ingress, j.asynchronous and l.attempt < j.max_attempts as again
            from lost l
            join job j on j.id = l.id and j.created_at = l.created_at
        ), recorded as (
            insert into attempt (id, created_at, tenant, attempt, worker, status, started_at, finished_at)
            select g.id, g.created_at, g.tenant, g.attempt, g.worker, 5, g.started_at, clock_timestamp()
            from judged g where g.again
        ), back as (
            insert into ready (class, tenant, id, created_at, attempt, language)
            select g.class, g.tenant, g.id, g.created_at, g.attempt + 1, g.language
            from judged g where g.again and g.attempt = 1
        ), put_off as (
            insert into delayed (run_at, class, tenant, id, created_at, attempt, language)
            select now() + backoff_1(g.attempt), g.class, g.tenant, g.id, g.created_at, g.attempt + 1, g.language
            from judged g where g.again and g.attempt > 1
        ), ended as (
            insert into result (id, created_at, tenant, status, attempt, worker, started_at, finished_at)
            select g.id, g.created_at, g.tenant, 5, g.attempt, g.worker, g.started_at, clock_timestamp()
            from judged g where not g.again
        )
        select g.id, g.ingress, g.again from judged g;
end
$$;

-- As before, keeping the language.
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
        returning r.class, r.tenant, r.id, r.created_at, r.attempt, r.language
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language)
        select b.class, b.tenant, b.id, b.created_at, b.attempt, b.language from back b
        returning 1
    )
    select count(*) into returned from queued;
    return returned;
end
$$;

-- As before, keeping the language and a record of the attempt that was spent.
create or replace function release_1(p_worker bigint, p_ids uuid[], p_spent boolean) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    released bigint;
begin
    with back as (
        delete from run r where r.id = any (p_ids) and r.worker = p_worker
        returning r.class, r.tenant, r.id, r.created_at, r.attempt, r.language, r.started_at
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language)
        select b.class, b.tenant, b.id, b.created_at, b.attempt, b.language from back b where not p_spent
        returning 1
    ), recorded as (
        insert into attempt (id, created_at, tenant, attempt, worker, status, started_at, finished_at)
        select b.id, b.created_at, b.tenant, b.attempt, p_worker, 5, b.started_at, clock_timestamp()
        from back b where p_spent
    ), put_off as (
        insert into delayed (run_at, class, tenant, id, created_at, attempt, language)
        select now() + backoff_1(b.attempt), b.class, b.tenant, b.id, b.created_at, b.attempt + 1, b.language
        from back b where p_spent
        returning 1
    )
    select (select count(*) from queued) + (select count(*) from put_off) into released;
    return released;
end
$$;

-- Ends an attempt that is to be tried again, and says when; nothing where it no longer holds its run. `p_status` as in the
-- table `attempt`. Commits durably.
create function retry_1(
    p_worker bigint, p_id uuid, p_attempt smallint, p_status smallint, p_cpu_us bigint, p_peak_memory bigint
) returns timestamptz
    language sql security definer set search_path = public, pg_temp
    set enable_seqscan = off set jit = off
    as $$
        with back as (
            delete from run r where r.id = p_id and r.worker = p_worker and r.attempt = p_attempt
            returning r.class, r.tenant, r.id, r.created_at, r.attempt, r.language, r.started_at
        ), recorded as (
            insert into attempt (
                id, created_at, tenant, attempt, worker, status, started_at, finished_at, cpu_us, peak_memory
            )
            select
                b.id, b.created_at, b.tenant, b.attempt, p_worker, p_status, b.started_at, clock_timestamp(), p_cpu_us,
                p_peak_memory
            from back b
        )
        insert into delayed (run_at, class, tenant, id, created_at, attempt, language)
        select now() + backoff_1(b.attempt), b.class, b.tenant, b.id, b.created_at, b.attempt + 1, b.language
        from back b
        returning run_at
    $$;

-- Which of the jobs that a worker believes it runs are no longer its own: cancelled, or taken over.
create function lost_runs_1(p_worker bigint, p_held uuid[]) returns setof uuid
    language sql stable security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
        select h.id from unnest(p_held) as h (id)
        where not exists (select from run r where r.id = h.id and r.worker = p_worker)
    $$;

-- Ends queued jobs that were not started in time. Returns them, for who waits.
create function expire_1(p_limit integer) returns table (id uuid, ingress bigint)
    language sql security definer set search_path = public, pg_temp
    as $$
        with late as materialized (
            select r.class, r.seq from ready r where r.start_by <= now() limit p_limit for update skip locked
        ), gone as (
            delete from ready r using late l where r.class = l.class and r.seq = l.seq
            returning r.id, r.created_at, r.tenant, r.attempt
        ), ended as (
            insert into result (id, created_at, tenant, status, attempt, worker, finished_at)
            select g.id, g.created_at, g.tenant, 4, g.attempt - 1, 0, clock_timestamp() from gone g
        )
        select g.id, j.ingress from gone g join job j on j.id = g.id and j.created_at = g.created_at
    $$;

-- As before, with the moment of the run.
create or replace function append_logs_1(
    p_ids uuid[], p_attempts smallint[], p_workers bigint[], p_pieces integer[], p_line_counts integer[], p_lines bytea[]
) returns void
    language sql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
        insert into log (id, created_at, tenant, attempt, worker, piece, line_count, lines, run_started)
        select r.id, r.created_at, r.tenant, i.attempt, i.worker, i.piece, i.line_count, i.lines, r.started_at
        from unnest(p_ids, p_attempts, p_workers, p_pieces, p_line_counts, p_lines)
            as i (id, attempt, worker, piece, line_count, lines)
        join run r on r.id = i.id and r.worker = i.worker and r.attempt = i.attempt
        on conflict do nothing
    $$;

-- As before, keeping the language and the time by which the job must start.
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
        returning d.class, d.tenant, d.id, d.created_at, d.attempt, d.language, d.start_by
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt, language, start_by)
        select t.class, t.tenant, t.id, t.created_at, t.attempt, t.language, t.start_by from taken t
        returning 1
    )
    select count(*) into moved from queued;
    return moved;
end
$$;

-- Forgets idempotency keys whose day is over.
create function forget_keys_1(p_limit integer) returns bigint
    language sql security definer set search_path = public, pg_temp
    as $$
        with gone as (
            delete from idempotency i
            using (
                select o.tenant, o.caller, o.key from idempotency o where o.expires_at <= now() limit p_limit
                for update skip locked
            ) as old
            where i.tenant = old.tenant and i.caller = old.caller and i.key = old.key
            returning 1
        )
        select count(*) from gone
    $$;

-- The days whose jobs nobody may ask for any more: older than the longest retention of any tenant (in seconds; one that
-- names none has the default, one that lifts it the ceiling), without a job that has not ended, and without one that ended
-- later than that.
create function droppable_days_1(p_default double precision, p_ceiling double precision) returns setof date
    language sql stable security definer set search_path = public, pg_temp set timezone = 'UTC'
    as $$
        with longest as (
            select make_interval(secs => coalesce(max(
                case when t.quotas::jsonb ? 'retention_seconds'
                    then coalesce((t.quotas::jsonb ->> 'retention_seconds')::double precision, p_ceiling)
                    else p_default end), p_default)) as retention
            from tenant t
        ), day as (
            select to_date(right(c.relname, 8), 'YYYYMMDD') as day
            from pg_inherits i
            join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'job'::regclass and c.relname ~ '^job_[0-9]{8}$'
        )
        select d.day from day d, longest l
        where (d.day + 1)::timestamptz < now() - l.retention
            and not exists (select from ready r where r.created_at >= d.day and r.created_at < d.day + 1)
            and not exists (select from run r where r.created_at >= d.day and r.created_at < d.day + 1)
            and not exists (select from delayed r where r.created_at >= d.day and r.created_at < d.day + 1)
            and not exists (
                select from result r
                where r.created_at >= d.day and r.created_at < d.day + 1 and r.finished_at >= now() - l.retention
            )
        order by d.day
    $$;

do $$
declare
    f regprocedure;
begin
    -- drop_partitions_1 runs as the tables' owner.
    execute format('grant execute on function droppable_days_1(double precision, double precision) to %I', current_user);
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in ('enqueue_2', 'claim_2', 'retry_1', 'lost_runs_1', 'expire_1', 'forget_keys_1',
                'droppable_days_1')
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;
