-- Partitions: none is looked into without need, and none is locked for longer.

-- As before. The moment of the acceptance goes through every join, so that each payload is looked for in the partition of
-- its day: whichever join is done first, none then looks through all days that are kept.
create or replace function claim_2(p_worker bigint, p_want integer, p_languages smallint[])
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
        join started s on s.id = t.id and s.created_at = t.created_at
        join job j on j.id = t.id and j.created_at = t.created_at
        order by t.class, t.seq;
end
$$;

-- As before, but one day a call: the locks that a drop takes stop all work with jobs until the transaction ends, and the
-- sums of another day take their time.
create or replace function drop_partitions_1(p_default double precision, p_ceiling double precision) returns setof date
    language plpgsql security definer set search_path = public, pg_temp set timezone = 'UTC' set lock_timeout = '500ms'
    as $$
declare
    day date;
    parent text;
begin
    if not pg_try_advisory_xact_lock(hashtext('scriptorium.partitions')) then
        return;
    end if;
    for day in select * from droppable_days_1(p_default, p_ceiling) loop
        begin
            continue when not close_usage_day_1(day, true);
            foreach parent in array array['log', 'attempt', 'result', 'job'] loop
                execute format('drop table if exists %I', parent || '_' || to_char(day, 'YYYYMMDD'));
            end loop;
            return next day;
            return;
        exception when lock_not_available then
            return;
        end;
    end loop;
end
$$;
