-- The queue, split by temperature. `job`, `result` and `log` are append-only, partitioned by the day (UTC) on which the
-- job was accepted by the database's clock, and carry the payloads, sealed. `ready`, `run` and `delayed` are hot and narrow
-- and never carry a payload. A job is in exactly one of them, or has one result.

create table job (
    id uuid not null,
    created_at timestamptz not null,
    tenant bigint not null,
    app bigint,
    account bigint,
    service text not null,
    -- The script that the job was accepted for.
    service_id bigint not null,
    version integer not null,
    method text not null,
    asynchronous boolean not null,
    max_attempts smallint not null,
    wall_ms integer not null,
    -- The process whose caller waits; its done channel carries the number.
    ingress bigint not null,
    -- Request and session, sealed with the tenant's data key.
    request bytea not null,
    primary key (id, created_at)
) partition by range (created_at);
create table job_default partition of job default;

create table result (
    id uuid not null,
    created_at timestamptz not null,
    tenant bigint not null,
    -- 1 succeeded, 2 failed, 3 cancelled, 4 expired, 5 failed because its worker was lost
    status smallint not null,
    attempt smallint not null,
    worker bigint not null,
    started_at timestamptz,
    finished_at timestamptz not null,
    cpu_us bigint not null default 0,
    peak_memory bigint not null default 0,
    -- The response and the error, sealed; null where nobody was there to write one.
    response bytea,
    primary key (id, created_at)
) partition by range (created_at);
create table result_default partition of result default;

-- A script's output in pieces of several lines, sealed. A job's lines are numbered in the order of the key, through all of
-- its attempts; an attempt that another worker runs anew has pieces of its own.
create table log (
    id uuid not null,
    created_at timestamptz not null,
    tenant bigint not null,
    attempt smallint not null,
    worker bigint not null,
    piece integer not null,
    line_count integer not null,
    lines bytea not null,
    primary key (id, created_at, attempt, worker, piece)
) partition by range (created_at);
create table log_default partition of log default;

create table ready (
    -- 0 synchronous, 1 asynchronous
    class smallint not null,
    seq bigint generated always as identity,
    tenant bigint not null,
    id uuid not null,
    created_at timestamptz not null,
    attempt smallint not null,
    primary key (class, seq)
);
-- A job stands in the queue once; and it is found there when it is asked for.
create unique index ready_id on ready (id);

create table run (
    id uuid primary key,
    created_at timestamptz not null,
    tenant bigint not null,
    class smallint not null,
    worker bigint not null,
    attempt smallint not null,
    started_at timestamptz not null
) with (fillfactor = 70);
create index run_worker on run (worker);

create table delayed (
    run_at timestamptz not null,
    id uuid not null,
    created_at timestamptz not null,
    tenant bigint not null,
    class smallint not null,
    attempt smallint not null,
    primary key (run_at, id)
);
create unique index delayed_id on delayed (id);

-- A worker process. Its id is its epoch: a worker that was given up comes back under a new one.
create table worker (
    id bigint generated always as identity primary key,
    name text not null,
    slots integer not null,
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now()
) with (fillfactor = 50);

-- Numbers for ingress processes.
create sequence ingress_number;
grant usage on sequence ingress_number to scriptorium_system;

select protect('job', 'select');
select protect('result', 'select');
select protect('log', 'select');
select protect('ready', 'select');
select protect('run', 'select');
select protect('delayed', 'select');
alter table worker enable row level security;
alter table worker force row level security;
create policy all_rows on worker to scriptorium_system using (true) with check (true);
grant select, insert, update, delete on worker to scriptorium_system;

-- Hot tables: vacuum early and without pause, the dead entries before the head are what a claim pays for.
alter table ready set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table run set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table delayed set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

-- Makes the partitions of today and of the next days, and returns how many are still missing.
--
-- A new partition needs its parent for itself for a moment. Behind a long reader it would wait, and everybody behind it: so it
-- waits half a second at most, and is tried again later.
-- It runs with the rights of the tables' owner, because only an owner can add a partition.
create function ensure_partitions_1(p_days integer) returns integer
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
    foreach parent in array array['job', 'result', 'log'] loop
        for day in select generate_series(current_date, current_date + p_days, interval '1 day')::date loop
            if to_regclass(format('%I', parent || '_' || to_char(day, 'YYYYMMDD'))) is null then
                begin
                    execute format(
                        'create table %I partition of %I for values from (%L) to (%L)',
                        parent || '_' || to_char(day, 'YYYYMMDD'), parent, day::timestamptz, (day + 1)::timestamptz);
                exception when lock_not_available or check_violation then
                    -- Of a day that has begun without its partition the rows are in the default one, where they can stay.
                    missing := missing + 1;
                end;
            end if;
        end loop;
    end loop;
    return missing;
end
$$;
revoke execute on function ensure_partitions_1(integer) from public;
grant execute on function ensure_partitions_1(integer) to scriptorium_system;
select ensure_partitions_1(3);

-- Accepts a batch of jobs. `p_repeat` says that the batch may have been written already by a try whose outcome is unknown;
-- ids are the ingress's own, so what is there is skipped.
create function enqueue_1(
    p_ids uuid[], p_tenants bigint[], p_apps bigint[], p_accounts bigint[], p_services text[], p_service_ids bigint[],
    p_versions integer[], p_methods text[], p_asynchronous boolean[], p_max_attempts smallint[], p_wall_ms integer[],
    p_ingresses bigint[], p_requests bytea[], p_repeat boolean
) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    accepted bigint;
begin
    -- A repeat must see what the first try has done: it waits for the first try's end, should that still be under way.
    perform pg_advisory_xact_lock(hashtextextended(p_ids[1]::text, 0));
    with input as (
        select *
        from unnest(
            p_ids, p_tenants, p_apps, p_accounts, p_services, p_service_ids, p_versions, p_methods, p_asynchronous,
            p_max_attempts, p_wall_ms, p_ingresses, p_requests
        ) as i (
            id, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts, wall_ms, ingress,
            request
        )
        where not p_repeat or not exists (
            select from job j where j.id = i.id and j.created_at > now() - interval '10 minutes'
        )
    ), written as (
        insert into job (
            id, created_at, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts, wall_ms,
            ingress, request
        )
        select
            id, now(), tenant, app, account, service, service_id, version, method, asynchronous, max_attempts, wall_ms,
            ingress, request
        from input
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt)
        select asynchronous::integer::smallint, tenant, id, now(), 1 from input
        returning 1
    )
    select count(*) into accepted from queued;
    return accepted;
end
$$;

-- Hands up to `p_want` jobs to a worker, synchronous ones first, each in the order of arrival. A worker without a row has
-- been given up and gets nothing. It commits asynchronously: a claim that a crash undoes only puts the jobs back.
create function claim_1(p_worker bigint, p_want integer)
    returns table (
        id uuid, created_at timestamptz, tenant bigint, asynchronous boolean, attempt smallint, max_attempts smallint,
        service text, service_id bigint, version integer, method text, wall_ms integer, ingress bigint, request bytea
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
            order by r.class, r.seq
            limit p_want
            for update of r skip locked
        ), taken as (
            -- The delete is the arbiter: who deletes the row has the job.
            delete from ready r using candidate c where r.class = c.class and r.seq = c.seq
            returning r.class, r.seq, r.tenant, r.id, r.created_at, r.attempt
        ), started as (
            insert into run (id, created_at, tenant, class, worker, attempt, started_at)
            select t.id, t.created_at, t.tenant, t.class, p_worker, t.attempt, clock_timestamp() from taken t
            on conflict do nothing
            returning run.id
        )
        select
            t.id, t.created_at, t.tenant, j.asynchronous, t.attempt, j.max_attempts, j.service, j.service_id, j.version,
            j.method, j.wall_ms, j.ingress, j.request
        from taken t
        join started s on s.id = t.id
        join job j on j.id = t.id and j.created_at = t.created_at
        order by t.class, t.seq;
end
$$;

-- Ends a batch of attempts and stores their results; returns the ids that it accepted. An attempt that no longer holds its
-- run row is refused. `p_repeat` says that an earlier try's outcome is unknown: a result of the same worker and attempt
-- then counts as accepted.
create function finish_1(
    p_worker bigint, p_ids uuid[], p_attempts smallint[], p_statuses smallint[], p_cpu_us bigint[],
    p_peak_memory bigint[], p_responses bytea[], p_created timestamptz[], p_repeat boolean
) returns setof uuid
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
begin
    return query
        with input as (
            select *
            from unnest(p_ids, p_attempts, p_statuses, p_cpu_us, p_peak_memory, p_responses)
                as i (id, attempt, status, cpu_us, peak_memory, response)
        ), gone as (
            delete from run r using input i
            where r.id = i.id and r.worker = p_worker and r.attempt = i.attempt
            returning r.id, r.created_at, r.tenant, r.attempt, r.started_at, i.status, i.cpu_us, i.peak_memory, i.response
        ), stored as (
            insert into result (
                id, created_at, tenant, status, attempt, worker, started_at, finished_at, cpu_us, peak_memory, response
            )
            select
                g.id, g.created_at, g.tenant, g.status, g.attempt, p_worker, g.started_at, clock_timestamp(), g.cpu_us,
                g.peak_memory, g.response
            from gone g
        )
        select g.id from gone g;
    if p_repeat then
        return query
            select i.id
            from unnest(p_ids, p_attempts, p_created) as i (id, attempt, created_at)
            join result r on r.id = i.id and r.created_at = i.created_at
            where r.worker = p_worker and r.attempt = i.attempt;
    end if;
end
$$;

-- The results that are there of these jobs, for whoever waits for them in a process. The time bounds the partitions.
create function results_1(p_ids uuid[], p_from timestamptz) returns setof result
    language sql stable security definer set search_path = public, pg_temp
    set enable_seqscan = off set jit = off
    as $$ select * from result where id = any (p_ids) and created_at >= p_from $$;

-- Gives up workers that have been silent for longer than the lease, and takes back what they ran: an asynchronous job
-- with attempts left goes back into the queue, every other one ends as lost. Returns the ended ones, for who waits.
create function reap_1(p_lease interval)
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
            returning r.id, r.created_at, r.tenant, r.class, r.worker, r.attempt, r.started_at
        ), judged as (
            select l.*, j.ingress, j.asynchronous and l.attempt < j.max_attempts as again
            from lost l
            join job j on j.id = l.id and j.created_at = l.created_at
        ), back as (
            insert into ready (class, tenant, id, created_at, attempt)
            select g.class, g.tenant, g.id, g.created_at, g.attempt + 1 from judged g where g.again
        ), ended as (
            insert into result (id, created_at, tenant, status, attempt, worker, started_at, finished_at)
            select g.id, g.created_at, g.tenant, 5, g.attempt, g.worker, g.started_at, clock_timestamp()
            from judged g where not g.again
        )
        select g.id, g.ingress, g.again from judged g;
end
$$;

-- Says that a worker lives, and puts back what it does not know of: runs whose claim it never got the answer of. Null where
-- the worker has been given up.
create function heartbeat_1(p_worker bigint, p_held uuid[]) returns bigint
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
        returning r.class, r.tenant, r.id, r.created_at, r.attempt
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt)
        select b.class, b.tenant, b.id, b.created_at, b.attempt from back b
        returning 1
    )
    select count(*) into returned from queued;
    return returned;
end
$$;

-- Puts back what a worker did not end. Where that costs the job an attempt (`p_spent`), the next one waits a little, twice as
-- long each time.
create function release_1(p_worker bigint, p_ids uuid[], p_spent boolean) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    released bigint;
begin
    with back as (
        delete from run r where r.id = any (p_ids) and r.worker = p_worker
        returning r.class, r.tenant, r.id, r.created_at, r.attempt
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt)
        select b.class, b.tenant, b.id, b.created_at, b.attempt from back b where not p_spent
        returning 1
    ), put_off as (
        insert into delayed (run_at, class, tenant, id, created_at, attempt)
        select
            now() + least(interval '5 minutes', interval '1 second' * 2 ^ (b.attempt - 1)) * (0.5 + random()),
            b.class, b.tenant, b.id, b.created_at, b.attempt + 1
        from back b where p_spent
        returning 1
    )
    select (select count(*) from queued) + (select count(*) from put_off) into released;
    return released;
end
$$;

-- Stores pieces of output, of attempts that still hold their runs: nothing comes late, so the lines' numbers stand.
create function append_logs_1(
    p_ids uuid[], p_attempts smallint[], p_workers bigint[], p_pieces integer[], p_line_counts integer[], p_lines bytea[]
) returns void
    language sql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
        insert into log (id, created_at, tenant, attempt, worker, piece, line_count, lines)
        select r.id, r.created_at, r.tenant, i.attempt, i.worker, i.piece, i.line_count, i.lines
        from unnest(p_ids, p_attempts, p_workers, p_pieces, p_line_counts, p_lines)
            as i (id, attempt, worker, piece, line_count, lines)
        join run r on r.id = i.id and r.worker = i.worker and r.attempt = i.attempt
        on conflict do nothing
    $$;

-- Moves delayed jobs whose time has come into the queue.
create function promote_1(p_limit integer) returns bigint
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
        returning d.class, d.tenant, d.id, d.created_at, d.attempt
    ), queued as (
        insert into ready (class, tenant, id, created_at, attempt)
        select t.class, t.tenant, t.id, t.created_at, t.attempt from taken t
        returning 1
    )
    select count(*) into moved from queued;
    return moved;
end
$$;

do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in ('enqueue_1', 'claim_1', 'finish_1', 'reap_1', 'heartbeat_1', 'release_1',
                'append_logs_1', 'promote_1', 'results_1')
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;
