-- Users, their roles, and the values that scripts look up.

-- A user's or an admin's role keeps its number when the role is deleted: who had it must not fall back to the role of the app,
-- and an admin not to all rights. A number is never given twice, so nobody gets another role by it.
alter table account drop constraint account_tenant_role_fkey;

alter table account add column username text;
alter table account add column phone text;
-- Tokens carry the number that was valid when they were issued: a new password ends those of before.
alter table account add column token_generation integer not null default 0;
alter table account add column created_by bigint;
alter table account add column modified_by bigint;
create unique index account_username on account (tenant, lower(username)) where username is not null;

-- In the database, so that a program that knows nothing of generations ends the tokens too.
create function end_tokens() returns trigger
    language plpgsql
    as $$
begin
    if new.password_hash is distinct from old.password_hash then
        new.token_generation := old.token_generation + 1;
    end if;
    return new;
end
$$;
create trigger end_tokens before update of password_hash on account
    for each row execute function end_tokens();

drop trigger note_change on account;
create trigger note_change
    after insert or delete or update of email, username, phone, name, first_name, last_name, is_active, is_admin, role,
        password_hash on account
    for each row execute function note_catalog_change();

-- The role that a user has with one app. Like the account's own, its number outlives the role.
create table account_app_role (
    tenant bigint not null,
    account bigint not null,
    app bigint not null,
    id bigint not null,
    role bigint not null,
    primary key (tenant, account, app),
    unique (tenant, id),
    foreign key (tenant, account) references account on delete cascade,
    foreign key (tenant, app) references app on delete cascade
);
create index account_app_role_app on account_app_role (tenant, app);
select protect('account_app_role', 'select, insert, update, delete');
create trigger note_change after insert or delete or update on account_app_role
    for each row execute function note_catalog_change();

alter table role add column created_by bigint;
alter table role add column modified_by bigint;

-- Where an app's own pages are: kept for its owner.
alter table app add column type integer not null default 0;
alter table app add column path text;
alter table app add column url text;
alter table app add column storage_service bigint;
alter table app add column storage_container text;
alter table app add column created_by bigint;
alter table app add column modified_by bigint;

-- Filters of a role's row: kept for the services that have records of their own.
alter table role_access add column filters text not null default '[]';
alter table role_access add column filter_op text not null default 'AND';
alter table role_access add column created_at timestamptz not null default now();
create index role_access_role on role_access (tenant, role);

-- What a role may do with a service of the platform's own. It is a table by itself, because a program of before reads a row
-- without a service as one for all services.
create table role_platform_access (
    tenant bigint not null,
    role bigint not null,
    id bigint not null,
    service text not null check (service in ('system', 'user', 'jobs', 'api_docs')),
    component text not null default '*',
    verb_mask integer not null,
    requestor_mask integer not null default 1,
    filters text not null default '[]',
    filter_op text not null default 'AND',
    created_at timestamptz not null default now(),
    primary key (tenant, id),
    foreign key (tenant, role) references role on delete cascade
);
create index role_platform_access_role on role_platform_access (tenant, role);
select protect('role_platform_access', 'select, insert, update, delete');
create trigger note_change after insert or delete or update on role_platform_access
    for each row execute function note_catalog_change();

-- Named values for scripts: the tenant's own, or an app's, a role's or an account's. Sealed with the tenant's data key, the
-- public ones too.
create table lookup (
    tenant bigint not null references tenant on delete cascade,
    id bigint not null,
    app bigint,
    role bigint,
    account bigint,
    name text not null,
    value bytea not null,
    is_private boolean not null default false,
    description text not null default '',
    created_at timestamptz not null default now(),
    modified_at timestamptz not null default now(),
    created_by bigint,
    modified_by bigint,
    primary key (tenant, id),
    unique nulls not distinct (tenant, app, role, account, name),
    check (num_nonnulls(app, role, account) <= 1),
    foreign key (tenant, app) references app on delete cascade,
    foreign key (tenant, role) references role on delete cascade,
    foreign key (tenant, account) references account on delete cascade
);
create index lookup_account on lookup (tenant, account) where account is not null;
select protect('lookup', 'select, insert, update, delete');
create trigger note_change after insert or delete or update on lookup
    for each row execute function note_catalog_change();
