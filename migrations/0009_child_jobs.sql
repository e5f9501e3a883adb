-- Child jobs: calls of scripts by scripts, recorded with the end of the job whose scripts they are. They never wait and
-- never run by themselves. A column is added, and a function beside `finish_1`: the programs of before run on.

-- The job whose script called; null for a job of its own.
alter table job add column parent uuid;

-- As finish_1, for attempts whose scripts have called others. A child is written where its job's end is accepted, in the
-- same statement. It counts as accepted with that job, so that the sums of a day can not miss it; `p_child_began_us` and
-- `p_child_ended_us` say how long ago it ran. `p_child_roots` are the jobs whose attempts end, `p_child_parents` whose
-- scripts called.
create function finish_2(
    p_worker bigint, p_ids uuid[], p_attempts smallint[], p_statuses smallint[], p_cpu_us bigint[],
    p_peak_memory bigint[], p_responses bytea[], p_created timestamptz[], p_repeat boolean,
    p_child_ids uuid[], p_child_roots uuid[], p_child_parents uuid[], p_child_services text[],
    p_child_service_ids bigint[], p_child_versions integer[], p_child_methods text[], p_child_wall_ms integer[],
    p_child_began_us bigint[], p_child_ended_us bigint[], p_child_statuses smallint[], p_child_cpu_us bigint[],
    p_child_peak_memory bigint[], p_child_requests bytea[], p_child_summaries bytea[], p_child_responses bytea[],
    p_child_line_counts integer[], p_child_lines bytea[]
) returns setof uuid
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
declare
    moment timestamptz := clock_timestamp();
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
        ), child as materialized (
            select
                c.*, g.created_at, g.tenant, j.app, j.account, j.asynchronous,
                moment - c.began_us * interval '1 microsecond' as started_at,
                moment - c.ended_us * interval '1 microsecond' as finished_at
            from unnest(
                p_child_ids, p_child_roots, p_child_parents, p_child_services, p_child_service_ids, p_child_versions,
                p_child_methods, p_child_wall_ms, p_child_began_us, p_child_ended_us, p_child_statuses, p_child_cpu_us,
                p_child_peak_memory, p_child_requests, p_child_summaries, p_child_responses, p_child_line_counts,
                p_child_lines
            ) as c (
                id, root, parent, service, service_id, version, method, wall_ms, began_us, ended_us, status, cpu_us,
                peak_memory, request, summary, response, line_count, lines
            )
            join gone g on g.id = c.root
            join job j on j.id = g.id and j.created_at = g.created_at
        ), child_job as (
            -- Whoever may see the job may see what it has called.
            insert into job (
                id, created_at, tenant, app, account, service, service_id, version, method, asynchronous, max_attempts,
                wall_ms, ingress, request, summary, parent
            )
            select
                c.id, c.created_at, c.tenant, c.app, c.account, c.service, c.service_id, c.version, c.method,
                c.asynchronous, 1, c.wall_ms, 0, c.request, c.summary, c.parent
            from child c
        ), child_result as (
            insert into result (
                id, created_at, tenant, status, attempt, worker, started_at, finished_at, cpu_us, peak_memory, response
            )
            select
                c.id, c.created_at, c.tenant, c.status, 1, p_worker, c.started_at, c.finished_at, c.cpu_us,
                c.peak_memory, c.response
            from child c
        ), child_log as (
            insert into log (id, created_at, tenant, attempt, worker, piece, line_count, lines, run_started)
            select c.id, c.created_at, c.tenant, 1, p_worker, 1, c.line_count, c.lines, c.started_at
            from child c where c.line_count > 0
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

do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = 'finish_2'
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;
