-- What an attempt has used, in full: time, processor time by kind, waiting, calls, bytes. Columns are added with defaults,
-- and functions beside those of before, which keep their names and parameters: the programs of before run on, and what they
-- write has noughts here. `cpu_us` stays the sum of `user_us` and `system_us`.

alter table result
    -- Of its scripts, from handing over each to its end.
    add column wall_us bigint not null default 0,
    add column user_us bigint not null default 0,
    add column system_us bigint not null default 0,
    -- For processes to run them in.
    add column waited_us bigint not null default 0,
    add column api_calls bigint not null default 0,
    add column bytes_in bigint not null default 0,
    add column bytes_out bigint not null default 0,
    add column log_bytes bigint not null default 0;

alter table attempt
    add column wall_us bigint not null default 0,
    add column user_us bigint not null default 0,
    add column system_us bigint not null default 0,
    add column waited_us bigint not null default 0,
    add column api_calls bigint not null default 0,
    add column bytes_in bigint not null default 0,
    add column bytes_out bigint not null default 0,
    add column log_bytes bigint not null default 0;

-- At the end, in this order: `usage_1` gives whole rows.
alter table usage
    add column user_us bigint not null default 0,
    add column system_us bigint not null default 0,
    add column waited_us bigint not null default 0,
    add column api_calls bigint not null default 0,
    add column bytes_in bigint not null default 0,
    add column bytes_out bigint not null default 0,
    add column log_bytes bigint not null default 0;

-- As finish_2, with all that the attempts have used. Those without children leave the arrays of children empty. Children
-- are written in the same transaction as their job's end, where that is accepted.
create function finish_3(
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
) returns setof uuid
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    moment timestamptz := clock_timestamp();
    accepted uuid[];
begin
    with input as (
        select *
        from unnest(
            p_ids, p_attempts, p_statuses, p_responses, p_peak_memory, p_wall_us, p_user_us, p_system_us, p_waited_us,
            p_api_calls, p_bytes_in, p_bytes_out, p_log_bytes
        ) as i (
            id, attempt, status, response, peak_memory, wall_us, user_us, system_us, waited_us, api_calls, bytes_in,
            bytes_out, log_bytes
        )
    ), gone as (
        delete from run r using input i
        where r.id = i.id and r.worker = p_worker and r.attempt = i.attempt
        -- All that is written goes along: joined again, the batch would be read once for each of its rows.
        returning
            r.id, r.created_at, r.tenant, r.attempt, r.started_at, i.status, i.response, i.peak_memory, i.wall_us,
            i.user_us, i.system_us, i.waited_us, i.api_calls, i.bytes_in, i.bytes_out, i.log_bytes
    ), stored as (
        insert into result (
            id, created_at, tenant, status, attempt, worker, started_at, finished_at, cpu_us, peak_memory, response,
            wall_us, user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes
        )
        select
            g.id, g.created_at, g.tenant, g.status, g.attempt, p_worker, g.started_at, clock_timestamp(),
            g.user_us + g.system_us, g.peak_memory, g.response, g.wall_us, g.user_us, g.system_us, g.waited_us,
            g.api_calls, g.bytes_in, g.bytes_out, g.log_bytes
        from gone g
    )
    select array_agg(g.id) into accepted from gone g;
    if cardinality(p_child_ids) > 0 then
        with child as materialized (
            select
                c.*, j.tenant, j.app, j.account, j.asynchronous,
                moment - c.began_us * interval '1 microsecond' as started_at,
                moment - c.ended_us * interval '1 microsecond' as finished_at
            from unnest(
                p_child_ids, p_child_roots, p_child_created, p_child_parents, p_child_services, p_child_service_ids,
                p_child_versions, p_child_methods, p_child_limits_ms, p_child_began_us, p_child_ended_us,
                p_child_statuses, p_child_peak_memory, p_child_wall_us, p_child_user_us, p_child_system_us,
                p_child_waited_us, p_child_api_calls, p_child_bytes_in, p_child_bytes_out, p_child_log_bytes,
                p_child_requests, p_child_summaries, p_child_responses, p_child_line_counts, p_child_lines
            ) as c (
                id, root, created_at, parent, service, service_id, version, method, limit_ms, began_us, ended_us, status,
                peak_memory, wall_us, user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes, request,
                summary, response, line_count, lines
            )
            join job j on j.id = c.root and j.created_at = c.created_at
            where c.root = any (accepted)
        ), child_job as (
            -- Whoever may see the job may see what it has called.
            insert into job (
                id, created_at, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts,
                wall_ms, ingress, request, summary, parent
            )
            select
                c.id, c.created_at, c.tenant, c.app, c.account, c.service, c.service_id, c.version, c.method,
                c.asynchronous, 1, c.limit_ms, 0, c.request, c.summary, c.parent
            from child c
        ), child_result as (
            insert into result (
                id, created_at, tenant, status, attempt, worker, started_at, finished_at, cpu_us, peak_memory, response,
                wall_us, user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes
            )
            select
                c.id, c.created_at, c.tenant, c.status, 1, p_worker, c.started_at, c.finished_at,
                c.user_us + c.system_us, c.peak_memory, c.response, c.wall_us, c.user_us, c.system_us, c.waited_us,
                c.api_calls, c.bytes_in, c.bytes_out, c.log_bytes
            from child c
        )
        insert into log (id, created_at, tenant, attempt, worker, piece, line_count, lines, run_started)
        select c.id, c.created_at, c.tenant, 1, p_worker, 1, c.line_count, c.lines, c.started_at
        from child c where c.line_count > 0;
    end if;
    return query select unnest(accepted);
    if p_repeat then
        return query
            select i.id
            from unnest(p_ids, p_attempts, p_created) as i (id, attempt, created_at)
            join result r on r.id = i.id and r.created_at = i.created_at
            where r.worker = p_worker and r.attempt = i.attempt;
    end if;
end
$$;

-- As retry_1, with all that the attempt has used.
create function retry_2(
    p_worker bigint, p_id uuid, p_attempt smallint, p_status smallint, p_peak_memory bigint, p_wall_us bigint,
    p_user_us bigint, p_system_us bigint, p_waited_us bigint, p_api_calls bigint, p_bytes_in bigint, p_bytes_out bigint,
    p_log_bytes bigint
) returns timestamptz
    language sql security definer set search_path = public, pg_temp
    set enable_seqscan = off set jit = off
    as $$
        with back as (
            delete from run r where r.id = p_id and r.worker = p_worker and r.attempt = p_attempt
            returning r.class, r.tenant, r.id, r.created_at, r.attempt, r.language, r.min_tier, r.started_at
        ), recorded as (
            insert into attempt (
                id, created_at, tenant, attempt, worker, status, started_at, finished_at, cpu_us, peak_memory, wall_us,
                user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes
            )
            select
                b.id, b.created_at, b.tenant, b.attempt, p_worker, p_status, b.started_at, clock_timestamp(),
                p_user_us + p_system_us, p_peak_memory, p_wall_us, p_user_us, p_system_us, p_waited_us, p_api_calls,
                p_bytes_in, p_bytes_out, p_log_bytes
            from back b
        )
        insert into delayed (run_at, class, tenant, id, created_at, attempt, language, min_tier)
        select now() + backoff_1(b.attempt), b.class, b.tenant, b.id, b.created_at, b.attempt + 1, b.language, b.min_tier
        from back b
        returning run_at
    $$;

-- Notes what a run has used that its worker had to give up: its job was cancelled meanwhile, or taken over. The end that
-- stands there stays as it is. Repeating it changes nothing.
create function settle_1(
    p_worker bigint, p_id uuid, p_attempt smallint, p_created timestamptz, p_peak_memory bigint, p_wall_us bigint,
    p_user_us bigint, p_system_us bigint, p_waited_us bigint, p_api_calls bigint, p_bytes_in bigint, p_bytes_out bigint,
    p_log_bytes bigint
) returns boolean
    language sql security definer set search_path = public, pg_temp
    set enable_seqscan = off set jit = off
    as $$
        with ended as (
            update result r
            set cpu_us = p_user_us + p_system_us, peak_memory = p_peak_memory, wall_us = p_wall_us, user_us = p_user_us,
                system_us = p_system_us, waited_us = p_waited_us, api_calls = p_api_calls, bytes_in = p_bytes_in,
                bytes_out = p_bytes_out, log_bytes = p_log_bytes
            where r.id = p_id and r.created_at = p_created and r.worker = p_worker and r.attempt = p_attempt
                and r.status in (3, 4, 5)
            returning 1
        ), taken_over as (
            update attempt a
            set cpu_us = p_user_us + p_system_us, peak_memory = p_peak_memory, wall_us = p_wall_us, user_us = p_user_us,
                system_us = p_system_us, waited_us = p_waited_us, api_calls = p_api_calls, bytes_in = p_bytes_in,
                bytes_out = p_bytes_out, log_bytes = p_log_bytes
            where a.id = p_id and a.created_at = p_created and a.worker = p_worker and a.attempt = p_attempt
                and a.status = 5
            returning 1
        )
        select exists (select from ended union all select from taken_over)
    $$;

-- As before, with the new columns at its end.
create or replace view ended_run as
    select
        j.tenant, j.created_at, j.service, 1 as job, r.started_at, r.finished_at, r.cpu_us,
        octet_length(j.request) as request_bytes, coalesce(octet_length(r.response), 0) as response_bytes, r.user_us,
        r.system_us, r.waited_us, r.api_calls, r.bytes_in, r.bytes_out, r.log_bytes
    from job j
    join result r on r.id = j.id and r.created_at = j.created_at
    union all
    select
        j.tenant, j.created_at, j.service, 0, a.started_at, a.finished_at, a.cpu_us, 0, 0, a.user_us, a.system_us,
        a.waited_us, a.api_calls, a.bytes_in, a.bytes_out, a.log_bytes
    from job j
    join attempt a on a.id = j.id and a.created_at = j.created_at;

-- As before, with the new sums.
create or replace function close_usage_day_1(p_day date, p_checked boolean) returns boolean
    language plpgsql security definer set search_path = public, pg_temp set timezone = 'UTC'
    set jit = off set enable_partitionwise_join = on
    as $$
begin
    -- An hour for those that were accepted just before the day's end.
    if now() < (p_day + 1)::timestamptz + interval '1 hour' then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('scriptorium.usage'));
    -- A day that is closed is not summed again: it can not change any more, and a drop of its partitions would fail where
    -- the sums take longer than a drop may.
    if exists (select from usage_day d where d.day = p_day) then
        return true;
    end if;
    if not p_checked and exists (
        select from job j
        where j.created_at >= p_day::timestamptz and j.created_at < (p_day + 1)::timestamptz
            and not exists (
                select from result r
                where r.id = j.id and r.created_at = j.created_at
                    and r.created_at >= p_day::timestamptz and r.created_at < (p_day + 1)::timestamptz
            )
    ) then
        return false;
    end if;
    insert into usage (
        tenant, day, service, jobs, attempts, run_us, cpu_us, request_bytes, response_bytes, user_us, system_us, waited_us,
        api_calls, bytes_in, bytes_out, log_bytes
    )
    select
        e.tenant, p_day, e.service, sum(e.job), count(e.started_at),
        coalesce(sum((extract(epoch from e.finished_at - e.started_at) * 1000000)::bigint), 0), sum(e.cpu_us),
        sum(e.request_bytes), sum(e.response_bytes), sum(e.user_us), sum(e.system_us), sum(e.waited_us),
        sum(e.api_calls), sum(e.bytes_in), sum(e.bytes_out), sum(e.log_bytes)
    from ended_run e
    where e.created_at >= p_day::timestamptz and e.created_at < (p_day + 1)::timestamptz
    group by e.tenant, e.service;
    insert into usage_day (day) values (p_day);
    return true;
end
$$;

-- As before, with the new sums.
create or replace function usage_1(p_tenant bigint, p_from date, p_to date) returns setof usage
    language sql stable security definer set search_path = public, pg_temp set timezone = 'UTC' set jit = off
    as $$
        select u.* from usage u where u.tenant = p_tenant and u.day between p_from and p_to
        union all
        select
            p_tenant, d.day::date, e.service, sum(e.job), count(e.started_at),
            coalesce(sum((extract(epoch from e.finished_at - e.started_at) * 1000000)::bigint), 0)::bigint,
            sum(e.cpu_us)::bigint, sum(e.request_bytes), sum(e.response_bytes), sum(e.user_us)::bigint,
            sum(e.system_us)::bigint, sum(e.waited_us)::bigint, sum(e.api_calls)::bigint, sum(e.bytes_in)::bigint,
            sum(e.bytes_out)::bigint, sum(e.log_bytes)::bigint
        from generate_series(p_from, least(p_to, current_date), interval '1 day') as d (day)
        join ended_run e on e.created_at >= d.day and e.created_at < d.day + interval '1 day'
        where e.tenant = p_tenant
            and e.created_at >= p_from::timestamptz and e.created_at < (p_to + 1)::timestamptz
            and not exists (select from usage_day c where c.day = d.day::date)
        group by d.day, e.service
        order by 2, 3
    $$;

do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname in ('finish_3', 'retry_2', 'settle_1')
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;
