-- Tenants and what they own. Ids are integers unique within a tenant: one counter a tenant, so that nobody can read
-- from an id how much others do.

create table tenant (
    id bigint generated always as identity primary key,
    name text not null unique check (name ~ '^[a-z][a-z0-9-]{1,38}[a-z0-9]$'),
    label text not null default '',
    suspended boolean not null default false,
    -- A JSON object of the quotas that differ from the defaults.
    quotas text not null default '{}',
    -- The key that seals what the tenant stores, itself wrapped by the installation's secret key.
    data_key bytea not null,
    last_id bigint not null default 0,
    created_at timestamptz not null default now()
);
alter table tenant enable row level security;
alter table tenant force row level security;
create policy tenant_rows on tenant to scriptorium_tenant using (id = current_tenant());
create policy all_rows on tenant to scriptorium_system using (true) with check (true);
grant select on tenant to scriptorium_tenant;
grant select, insert, update, delete on tenant to scriptorium_system;

-- The next id of a tenant's record. The tenant's row stays locked to the end of the transaction: catalogue changes of one
-- tenant are made one after the other.
create function next_id(p_tenant bigint) returns bigint
    language sql security definer set search_path = public, pg_temp
    as $$ update tenant set last_id = last_id + 1 where id = p_tenant returning last_id $$;
alter function next_id(bigint) owner to scriptorium_system;
revoke execute on function next_id(bigint) from public;
grant execute on function next_id(bigint) to scriptorium_tenant, scriptorium_system;

create table role (
    tenant bigint not null references tenant on delete cascade,
    id bigint not null,
    name text not null,
    description text not null default '',
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    modified_at timestamptz not null default now(),
    primary key (tenant, id),
    unique (tenant, name)
);
select protect('role', 'select, insert, update, delete');

create table service (
    tenant bigint not null references tenant on delete cascade,
    id bigint not null,
    name text not null,
    label text not null default '',
    description text not null default '',
    is_active boolean not null default true,
    type text not null,
    -- The version that answers now; null for a service without a script.
    version integer,
    -- The service's OpenAPI document, as given; null without one.
    doc text,
    created_at timestamptz not null default now(),
    modified_at timestamptz not null default now(),
    created_by bigint,
    modified_by bigint,
    primary key (tenant, id),
    unique (tenant, name)
);
select protect('service', 'select, insert, update, delete');

-- Every save of a script. A job names the version that it was accepted for, and a version never changes.
create table service_version (
    tenant bigint not null,
    service bigint not null,
    version integer not null,
    language text not null,
    content text not null,
    -- The service's `config` without its content: a JSON object, as given.
    config text not null,
    created_at timestamptz not null default now(),
    created_by bigint,
    primary key (tenant, service, version),
    foreign key (tenant, service) references service on delete cascade
);
select protect('service_version', 'select, insert');

create table role_access (
    tenant bigint not null,
    role bigint not null,
    id bigint not null,
    -- Null stands for every service.
    service bigint,
    component text not null default '*',
    verb_mask integer not null,
    requestor_mask integer not null default 1,
    primary key (tenant, id),
    foreign key (tenant, role) references role on delete cascade,
    foreign key (tenant, service) references service on delete cascade
);
select protect('role_access', 'select, insert, update, delete');

create table app (
    tenant bigint not null references tenant on delete cascade,
    id bigint not null,
    name text not null,
    description text not null default '',
    is_active boolean not null default true,
    -- SHA-256 of the key. Keys are 256 random bits, so a plain hash can not be searched.
    key_hash bytea not null unique,
    role bigint,
    created_at timestamptz not null default now(),
    modified_at timestamptz not null default now(),
    primary key (tenant, id),
    unique (tenant, name),
    foreign key (tenant, role) references role on delete set null (role)
);
select protect('app', 'select, insert, update, delete');

create table account (
    tenant bigint not null references tenant on delete cascade,
    id bigint not null,
    is_admin boolean not null default false,
    email text not null,
    -- scrypt, with its parameters and salt.
    password_hash text not null,
    name text not null default '',
    first_name text,
    last_name text,
    is_active boolean not null default true,
    role bigint,
    last_login_at timestamptz,
    created_at timestamptz not null default now(),
    modified_at timestamptz not null default now(),
    primary key (tenant, id),
    foreign key (tenant, role) references role on delete set null (role)
);
create unique index account_email on account (tenant, lower(email));
select protect('account', 'select, insert, update, delete');

-- Session tokens that were ended before their time.
create table revoked_token (
    tenant bigint not null references tenant on delete cascade,
    token uuid not null,
    expires_at timestamptz not null,
    primary key (tenant, token)
);
select protect('revoked_token', 'select, insert, delete');

-- What changed lately, for the caches of every process: a row for each change, kept for an hour.
create table catalog_change (
    seq bigint generated always as identity primary key,
    tenant bigint not null,
    at timestamptz not null default clock_timestamp()
);
create index catalog_change_at on catalog_change (at);
alter table catalog_change enable row level security;
alter table catalog_change force row level security;
create policy all_rows on catalog_change to scriptorium_system using (true) with check (true);
grant select, insert, delete on catalog_change to scriptorium_system;

create function note_catalog_change() returns trigger
    language plpgsql security definer set search_path = public, pg_temp
    as $$
begin
    if tg_table_name = 'tenant' then
        insert into catalog_change (tenant) values (coalesce(new.id, old.id));
    else
        insert into catalog_change (tenant) values (coalesce(new.tenant, old.tenant));
    end if;
    return null;
end
$$;
alter function note_catalog_change() owner to scriptorium_system;

-- `last_id` alone is no change that anybody has to know.
create trigger note_change after insert or delete or update of name, label, suspended, quotas, data_key on tenant
    for each row execute function note_catalog_change();
create trigger note_change after insert or delete or update on role
    for each row execute function note_catalog_change();
create trigger note_change after insert or delete or update on role_access
    for each row execute function note_catalog_change();
create trigger note_change after insert or delete or update on service
    for each row execute function note_catalog_change();
create trigger note_change after insert or delete or update on app
    for each row execute function note_catalog_change();
create trigger note_change
    after insert or delete or update of email, name, first_name, last_name, is_active, is_admin, role, password_hash on account
    for each row execute function note_catalog_change();
create trigger note_change after insert on revoked_token
    for each row execute function note_catalog_change();
