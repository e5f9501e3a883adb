-- The rate of a tenant's calls: one bucket of tokens for all ingresses, by the database's clock. It is not logged: after a
-- crash of the server every bucket is full, which costs less than writing each call down.

create unlogged table rate_bucket (
    tenant bigint primary key,
    -- How much is missing from a full bucket. It shrinks by the rate. (What is there would have to follow every change of the
    -- burst.)
    used double precision not null default 0,
    at timestamptz not null default clock_timestamp(),
    -- Tokens that ingresses have taken ahead and may still hold, and until when. They count as missing so long: all that
    -- is held anywhere and all that is in the bucket are never more than the burst together.
    ahead double precision not null default 0,
    ahead_until timestamptz not null default '-infinity',
    -- As the last call had them, and since when.
    rate double precision not null,
    burst double precision not null,
    changed_at timestamptz not null default '-infinity'
) with (fillfactor = 20);
select protect('rate_bucket', '');

-- Takes as many tokens of each tenant as it wants and as there are, and some ahead of calls to come where there are plenty:
-- at most a twentieth of the burst may be out, over all ingresses. Each tenant once.
-- p_aheads: how many would be held for later calls, for p_hold_seconds. p_settled: how many of those that were held and
-- would be good still are held no more. p_returned: how many of those that were held come back unused.
-- left_over: what is in the bucket then. wait_seconds: until there is a whole token; null where there never will be.
create function take_tokens_1(
    p_tenants bigint[], p_wants integer[], p_aheads integer[], p_settled integer[], p_returned integer[],
    p_rates double precision[], p_bursts double precision[], p_hold_seconds double precision
) returns table (
    tenant bigint, granted integer, ahead integer, left_over double precision, wait_seconds double precision
)
    language plpgsql security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    as $$
#variable_conflict use_column
declare
    moment timestamptz;
    locked bigint;
begin
    -- What a crash forgets here fills the bucket, as a crash does anyway.
    perform set_config('synchronous_commit', 'off', true);
    -- In the order of the tenants, so that two ingresses never wait for each other. A bucket that is cleared away in this
    -- moment is made once more.
    for turn in 1..10 loop
        insert into rate_bucket (tenant, rate, burst)
        select a.tenant, a.rate, a.burst
        from unnest(p_tenants, p_rates, p_bursts) as a (tenant, rate, burst)
        order by a.tenant
        on conflict do nothing;
        perform from rate_bucket b where b.tenant = any (p_tenants) order by b.tenant for no key update;
        get diagnostics locked = row_count;
        exit when locked = cardinality(p_tenants);
    end loop;
    -- Only now: whoever held the buckets before has written an earlier one.
    moment := clock_timestamp();
    return query
        with asked as (
            select *
            from unnest(p_tenants, p_wants, p_aheads, p_settled, p_returned, p_rates, p_bursts)
                as a (tenant, want, ahead, settled, returned, rate, burst)
        ), quota as (
            -- For a moment after a change there may be ingresses that do not know it: then the lower of the two counts for
            -- them, and nothing is changed back.
            select
                a.*, b.used, b.at, b.rate as old_rate, b.burst as old_burst, b.changed_at, b.ahead as out_before,
                b.ahead_until, (a.rate, a.burst) is distinct from (b.rate, b.burst) as differs,
                b.changed_at > moment - interval '1 second' as is_fresh
            from asked a
            join rate_bucket b on b.tenant = a.tenant
        ), bucket as (
            select
                q.*,
                case when q.differs and q.is_fresh then least(q.burst, q.old_burst) else q.burst end as size,
                case when q.differs and q.is_fresh then least(q.rate, q.old_rate) else q.rate end as speed,
                -- After a change nobody keeps what was lent before it.
                case when q.ahead_until > moment and (q.is_fresh or not q.differs)
                    then greatest(q.out_before - q.settled, 0) else 0 end as held,
                -- A clock that was set back stands still here.
                greatest(
                    q.used - q.old_rate * greatest(extract(epoch from moment - q.at)::double precision, 0) - q.returned,
                    0) as missing
            from quota q
        ), level as (
            -- Whoever gets a smaller bucket does not have to work off the larger one.
            select
                b.*,
                greatest(
                    case when b.differs and not b.is_fresh then least(b.missing, b.burst) else b.missing end, b.held
                ) as before
            from bucket b
        ), given as (
            select l.*, least(l.want, greatest(floor(l.size - l.before), 0)) as taken from level l
        ), lent as (
            -- From a bucket that is half full at least: near its end every token is for a call that is there.
            select
                g.*,
                case when g.taken < g.want then 0
                    else greatest(
                        least(g.ahead, floor(g.size / 20 - g.held), floor(g.size / 2 - g.before - g.taken)), 0)
                end as ahead_now
            from given g
        ), written as (
            update rate_bucket b
            set used = l.before + l.taken + l.ahead_now, at = moment, ahead = l.held + l.ahead_now,
                ahead_until = case when l.ahead_now > 0
                    then moment + make_interval(secs => p_hold_seconds) else b.ahead_until end,
                rate = case when l.is_fresh then b.rate else l.rate end,
                burst = case when l.is_fresh then b.burst else l.burst end,
                changed_at = case when l.differs and not l.is_fresh then moment else b.changed_at end
            from lent l
            where b.tenant = l.tenant
            returning b.tenant, l.taken, l.ahead_now, l.size - b.used as rest, l.speed
        )
        select
            w.tenant, w.taken::integer, w.ahead_now::integer, greatest(w.rest, 0),
            case when w.rest >= 1 then 0 when w.speed > 0 then (1 - w.rest) / w.speed end
        from written w;
end
$$;

do $$
begin
    alter function take_tokens_1(
        bigint[], integer[], integer[], integer[], integer[], double precision[], double precision[], double precision
    ) owner to scriptorium_system;
    revoke execute on function take_tokens_1(
        bigint[], integer[], integer[], integer[], integer[], double precision[], double precision[], double precision
    ) from public;
end
$$;
