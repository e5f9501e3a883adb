-- The look for results that callers wait for is planned once for each connection, and not at every look.
create or replace function results_1(p_ids uuid[], p_from timestamptz) returns setof result
    language plpgsql stable security definer set search_path = public, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
begin
    return query select * from result r where r.id = any (p_ids) and r.created_at >= p_from;
end
$$;
