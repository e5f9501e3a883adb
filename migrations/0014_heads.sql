-- Up to where a lane has nothing any more is known exactly now: by the numbers that had been given to jobs when a claim
-- looked, and the transactions that had them. What the largest number was that a claim had taken said less: somebody could
-- still commit a smaller one, which then waited for the next recount.

-- How far numbers have been given away.
grant select on sequence ready_seq_seq to scriptorium_system;

-- A claim that is under way with the functions of before fails by this once, and is asked again.
alter table lane
    -- For each kind, `heads` has up to where there is nothing any more, so that a claim passes over nothing that is dead. It
    -- can come as far as `next_head` when all transactions before `next_xid` have ended: nobody else can still commit a
    -- smaller number. Looked at ten times a second.
    drop column next_heads, add column next_head bigint not null default 0,
    -- Which demands wait says nothing that is needed any more.
    drop column top_tier;
-- From an owner row-level security would hide them.
set local role scriptorium_system;
update lane set heads = '{0,0,0,0,0,0,0,0,0,0}', next_xid = 0, heads_at = '-infinity';
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
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
declare
    tenants bigint[];
    their_kinds integer[];
    their_languages integer[];
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
    if (select count(*) from lane l where l.tenant = any (tenants)) < cardinality(tenants) then
        insert into lane (tenant) select t from unnest(tenants) as t order by t on conflict do nothing;
    end if;
    perform from lane l
    join unnest(tenants, their_kinds, their_languages) as a (tenant, kinds, languages) on a.tenant = l.tenant
    where l.tenant = any (tenants)
        and (l.kinds & a.kinds <> a.kinds or l.languages & a.languages <> a.languages)
    order by l.tenant
    for no key update of l;
    if found then
        update lane l
        set kinds = l.kinds | a.kinds, languages = l.languages | a.languages,
            vtime = case when l.runnable then l.vtime else greatest(l.vtime, (select last_value from lane_clock)) end
        from unnest(tenants, their_kinds, their_languages) as a (tenant, kinds, languages)
        where a.tenant = l.tenant and l.tenant = any (tenants)
            and (l.kinds & a.kinds <> a.kinds or l.languages & a.languages <> a.languages);
    end if;
    return null;
end
$$;

-- Lets jobs go on that a service's cap has kept back, as many as it has room for. The lanes of `p_tenants` are locked.
create or replace function free_held(p_tenants bigint[], p_services bigint[]) returns void
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
        returning r.tenant, r.kind, r.language
    )
    update lane l
    set kinds = l.kinds | f.kinds, languages = l.languages | f.languages,
        heads = '{0,0,0,0,0,0,0,0,0,0}', next_head = 0,
        vtime = case when l.runnable then l.vtime else greatest(l.vtime, (select last_value from lane_clock)) end
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
    -- Read before this transaction has a number of its own: whoever has taken one of these has a smaller one.
    given_seq bigint := (select case when q.is_called then q.last_value else 0 end from ready_seq_seq q);
    -- All transactions before it have ended, but for those that are old.
    ended_xid bigint;
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
    select coalesce(min(x.xid) filter (where x.xid >= (select o.last_value from lane_old_xid o)), s.top) into ended_xid
    from (
        select pg_snapshot_xmax(c.now)::text::bigint as top, c.now from (select pg_current_snapshot() as now) as c
    ) as s
    left join lateral (select pg_snapshot_xip(s.now)::text::bigint as xid) as x on true
    group by s.top;
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
                    short = t.n < least(share, l.cap - l.in_flight)
                from (
                    select o.tenant, sum(o.n)::integer as n, sum(o.asynchronous)::integer as asynchronous
                    from (
                        select t.tenant, 1 as n, t.class & 1 as asynchronous from taken t
                        union all
                        select c.tenant, 0, 0 from unnest(chosen) as c (tenant)
                    ) as o
                    group by o.tenant
                ) as t
                where l.tenant = t.tenant and l.tenant = any (chosen)
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
        -- What all have ended who could still commit it is there or never will be: the heads move on to what is there.
        update lane l
        set heads = f.heads, next_head = given_seq, next_xid = pg_current_xact_id()::text::bigint, heads_at = moment
        from (
            select
                o.tenant,
                array_agg(
                    greatest(o.heads[k.kind + 1], least(o.next_head, (
                        select r.seq - 1 from ready r
                        where r.tenant = o.tenant and r.kind = k.kind and r.seq > o.heads[k.kind + 1]
                        order by r.seq limit 1
                    ))) order by k.kind) as heads
            from lane o
            cross join unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as k (kind)
            where o.tenant = any (chosen) and o.heads_at < moment - interval '100 milliseconds' and o.next_xid <= ended_xid
            group by o.tenant
        ) as f
        where l.tenant = f.tenant and l.tenant = any (chosen);
        -- Those that are empty now leave the index, unless somebody is adding to them.
        select array_agg(l.tenant) into emptied
        from lane l
        where l.tenant = any (chosen) and l.short and pg_try_advisory_xact_lock(7, (l.tenant % 1024)::integer);
        if emptied is not null then
            update lane l
            set kinds = p.kinds, short = false, languages = case when p.kinds = 0 then 0 else l.languages end
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
            where l.tenant = p.tenant and l.tenant = any (emptied) and l.kinds <> p.kinds;
        end if;
        exit when wanted <= 0;
    end loop;
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
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    -- Before anything is deleted: a recount that this one does not know of has counted these runs. What an earlier try has
    -- deleted a recount may have missed: then nothing is credited, and the next recount mends it.
    present bigint := case when p_repeat then -1 else (select g.last_value from lane_generation g) end;
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

-- Looks after the lanes: counts anew where what is noted of the runs is wrong and nothing has changed for five seconds, as
-- after the death of a worker that had not said what ended; and, where `p_thoroughly`, finds what has come in so late
-- that nobody looks there any more. Returns how many lanes were put right. Several at once do no harm, and no good.
create or replace function tend_lanes_1(p_thoroughly boolean) returns integer
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
        set heads = '{0,0,0,0,0,0,0,0,0,0}', next_head = 0, kinds = 1023, languages = 63,
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
create or replace function renew_lanes_1() returns boolean
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
        tenant, kinds, languages, vtime, in_flight, cap, stride, suspended, min_tier, has_caps, heads, next_head, next_xid,
        heads_at, short, asynchronous, generation, touched_at
    )
    select
        k.tenant, k.kinds, k.languages, k.vtime, k.in_flight, k.cap, k.stride, k.suspended, k.min_tier, k.has_caps,
        k.heads, k.next_head, k.next_xid, k.heads_at, k.short, k.asynchronous, k.generation, k.touched_at
    from unnest(kept) as k;
    return true;
exception when lock_not_available then
    return false;
end
$$;
