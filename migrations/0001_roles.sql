-- The two roles under which every statement runs. Neither can log in: the program's own user is a member of both and
-- takes one of them for the length of a transaction (TenantScope, SystemScope).
--
-- Roles belong to the whole cluster, so they may be there already, from another database of the same server.
do $$
begin
    if not exists (select from pg_roles where rolname = 'scriptorium_tenant') then
        create role scriptorium_tenant nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'scriptorium_system') then
        create role scriptorium_system nologin;
    end if;
    -- Again even where the membership is there: since PostgreSQL 16 who makes a role is its member without its rights.
    begin
        execute format('grant scriptorium_tenant, scriptorium_system to %I', current_user);
    exception when insufficient_privilege then
        -- Somebody else made the roles, and granted them or did not: the next statements tell.
        null;
    end;
end
$$;

grant usage on schema public to scriptorium_tenant, scriptorium_system;
-- The system role owns the queue's functions, and an owner needs this to be given one.
grant create on schema public to scriptorium_system;

-- The tenant of the transaction; null outside a TenantScope, and then no row is visible.
create function current_tenant() returns bigint
    language sql stable parallel safe
    as $$ select nullif(current_setting('app.tenant', true), '')::bigint $$;

-- Puts a table with a column `tenant` under row-level security, its owner included.
create function protect(p_table regclass, p_tenant_rights text) returns void
    language plpgsql
    as $$
begin
    execute format('alter table %s enable row level security', p_table);
    execute format('alter table %s force row level security', p_table);
    execute format(
        'create policy tenant_rows on %s to scriptorium_tenant using (tenant = current_tenant()) with check (tenant = current_tenant())',
        p_table);
    execute format('create policy all_rows on %s to scriptorium_system using (true) with check (true)', p_table);
    if p_tenant_rights <> '' then
        execute format('grant %s on %s to scriptorium_tenant', p_tenant_rights, p_table);
    end if;
    execute format('grant select, insert, update, delete on %s to scriptorium_system', p_table);
end
$$;
revoke execute on function protect(regclass, text) from public;
