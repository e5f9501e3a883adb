-- The operator plane: tenants that end, and what tenants have used.

alter table tenant add column deleted_at timestamptz;
-- A deleted tenant gives its name back at once, and keeps its number until its data is gone.
alter table tenant alter column name drop not null;
alter table tenant add check (name is not null or deleted_at is not null);
create index tenant_deleted on tenant (deleted_at) where deleted_at is not null;

-- What a tenant's finished jobs have used, by the day (UTC) on which they were accepted: the sums of a day whose jobs have
-- all ended. A day that is not in `usage_day` is summed from its results when somebody asks.
create table usage (
    tenant bigint not null,
    day date not null,
    service text not null,
    jobs bigint not null,
    -- Runs, also those whose worker was lost.
    attempts bigint not null,
    run_us bigint not null,
    cpu_us bigint not null,
    -- As stored: request with session, response with error.
    request_bytes bigint not null,
    response_bytes bigint not null,
    primary key (tenant, day, service)
);
select protect('usage', 'select');

create table usage_day (
    day date primary key,
    closed_at timestamptz not null default now()
);
alter table usage_day enable row level security;
alter table usage_day force row level security;
create policy all_rows on usage_day to scriptorium_system using (true) with check (true);
grant select, insert, update, delete on usage_day to scriptorium_system;

-- Every run that has ended, with its job; the one that ended the job carries the job's own sizes.
create view ended_run as
    select
        j.tenant, j.created_at, j.service, 1 as job, r.started_at, r.finished_at, r.cpu_us,
        octet_length(j.request) as request_bytes, coalesce(octet_length(r.response), 0) as response_bytes
    from job j
    join result r on r.id = j.id and r.created_at = j.created_at
    union all
    select j.tenant, j.created_at, j.service, 0, a.started_at, a.finished_at, a.cpu_us, 0, 0
    from job j
    join attempt a on a.id = j.id and a.created_at = j.created_at;
alter view ended_run owner to scriptorium_system;

-- Keeps the sums of a day that is over and whose jobs have all ended: then they can not change any more, and its
-- partitions may go. Repeating it changes nothing. False where the day is not ready for it.
-- `p_checked` says that the caller knows that all its jobs have ended.
create function close_usage_day_1(p_day date, p_checked boolean) returns boolean
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
    insert into usage (tenant, day, service, jobs, attempts, run_us, cpu_us, request_bytes, response_bytes)
    select
        e.tenant, p_day, e.service, sum(e.job), count(e.started_at),
        coalesce(sum((extract(epoch from e.finished_at - e.started_at) * 1000000)::bigint), 0), sum(e.cpu_us),
        sum(e.request_bytes), sum(e.response_bytes)
    from ended_run e
    where e.created_at >= p_day::timestamptz and e.created_at < (p_day + 1)::timestamptz
    group by e.tenant, e.service;
    insert into usage_day (day) values (p_day);
    return true;
end
$$;

-- Closes one of the days that can be closed; null where there is none. Which one is left to chance, so that a day that
-- still waits for a job of its own stops no other.
create function close_some_usage_day_1() returns date
    language plpgsql security definer set search_path = public, pg_temp set timezone = 'UTC'
    as $$
declare
    candidate date;
begin
    select d.day::date into candidate
    from generate_series(current_date - 400, current_date - 1, interval '1 day') as d (day)
    where not exists (select from usage_day c where c.day = d.day::date)
        and exists (
            select from job j where j.created_at >= d.day and j.created_at < d.day + interval '1 day'
        )
    order by random() limit 1;
    if candidate is null or not close_usage_day_1(candidate, false) then
        return null;
    end if;
    return candidate;
end
$$;

-- What a tenant has used on each day from the first to the last. One snapshot, so each run counts once.
create function usage_1(p_tenant bigint, p_from date, p_to date) returns setof usage
    language sql stable security definer set search_path = public, pg_temp set timezone = 'UTC' set jit = off
    as $$
        select u.* from usage u where u.tenant = p_tenant and u.day between p_from and p_to
        union all
        select
            p_tenant, d.day::date, e.service, sum(e.job), count(e.started_at),
            coalesce(sum((extract(epoch from e.finished_at - e.started_at) * 1000000)::bigint), 0)::bigint,
            sum(e.cpu_us)::bigint, sum(e.request_bytes), sum(e.response_bytes)
        from generate_series(p_from, least(p_to, current_date), interval '1 day') as d (day)
        join ended_run e on e.created_at >= d.day and e.created_at < d.day + interval '1 day'
        where e.tenant = p_tenant
            and e.created_at >= p_from::timestamptz and e.created_at < (p_to + 1)::timestamptz
            and not exists (select from usage_day c where c.day = d.day::date)
        group by d.day, e.service
        order by 2, 3
    $$;

-- Drops what `droppable_days_1` names, and returns the days that are gone. With the rights of the tables' owner, who alone
-- may; the judging is the system role's, because row-level security hides the rows from an owner. A lock that does not come
-- within half a second is tried for again later. One day a call: the locks of a drop stop all work with jobs until the
-- transaction ends. The sums of the day are kept first.
create function drop_partitions_1(p_default double precision, p_ceiling double precision) returns setof date
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
revoke execute on function drop_partitions_1(double precision, double precision) from public;
grant execute on function drop_partitions_1(double precision, double precision) to scriptorium_system;

-- Drops up to `p_limit` rows of a tenant from one of the partitions. Only their owner may, on whom row-level security weighs
-- elsewhere.
create function drop_tenant_partitions_1(p_tenant bigint, p_limit integer) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    as $$
declare
    part regclass;
    gone bigint;
begin
    for part in
        select c.oid::regclass
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relispartition
        order by c.relname
    loop
        execute format(
            'delete from %s where ctid = any (array(select ctid from %s where tenant = $1 limit $2))', part, part)
        using p_tenant, p_limit;
        get diagnostics gone = row_count;
        if gone > 0 then
            return gone;
        end if;
    end loop;
    return 0;
end
$$;
revoke execute on function drop_tenant_partitions_1(bigint, integer) from public;
grant execute on function drop_tenant_partitions_1(bigint, integer) to scriptorium_system;

-- Drops up to `p_limit` rows of a deleted tenant, wherever a table says whose its rows are; gives how many. When nothing is
-- left the tenant's own row goes too: a little later, because a process may have looked just before the deletion.
create function drop_tenant_1(p_tenant bigint, p_limit integer) returns bigint
    language plpgsql security definer set search_path = public, pg_temp
    as $$
declare
    part regclass;
    gone bigint;
begin
    perform from tenant where id = p_tenant and deleted_at is not null for update skip locked;
    if not found then
        return 0;
    end if;
    for part in
        select c.oid::regclass
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not c.relispartition
            and c.relname <> 'catalog_change'
        -- What waits to run first; what others refer to last.
        order by c.relname in ('ready', 'delayed', 'run') desc, c.relname in ('service', 'role'), c.relname
    loop
        execute format(
            'delete from %s where ctid = any (array(select ctid from %s where tenant = $1 limit $2))', part, part)
        using p_tenant, p_limit;
        get diagnostics gone = row_count;
        if gone > 0 then
            return gone;
        end if;
    end loop;
    gone := drop_tenant_partitions_1(p_tenant, p_limit);
    if gone = 0 then
        delete from tenant where id = p_tenant and deleted_at < now() - interval '5 minutes';
    end if;
    return gone;
end
$$;

do $$
declare
    f regprocedure;
begin
    -- drop_partitions_1 runs as the tables' owner.
    execute format('grant execute on function close_usage_day_1(date, boolean) to %I', current_user);
    for f in
        select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and p.proname in ('close_usage_day_1', 'close_some_usage_day_1', 'usage_1', 'drop_tenant_1')
    loop
        execute format('alter function %s owner to scriptorium_system', f);
        execute format('revoke execute on function %s from public', f);
    end loop;
end
$$;
