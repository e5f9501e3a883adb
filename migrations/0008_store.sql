-- What scripts keep from one call to the next (`platform.store`): a small map for each service.

create table store (
    tenant bigint not null references tenant on delete cascade,
    -- 0 for scripts on events of the platform's own services.
    service bigint not null,
    key text not null,
    -- JSON, sealed with the tenant's data key.
    value bytea not null,
    expires_at timestamptz,
    primary key (tenant, service, key)
);
select protect('store', 'select, insert, update, delete');

create function forget_store() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    as $$
begin
    delete from store where tenant = old.tenant and service = old.id;
    return null;
end
$$;
alter function forget_store() owner to scriptorium_system;
create trigger forget_store after delete on service for each row execute function forget_store();
