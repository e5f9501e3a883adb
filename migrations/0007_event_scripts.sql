-- Scripts that run before, after or instead of what a service does (dreamfactory.md §7).

create table event_script (
    tenant bigint not null references tenant on delete cascade,
    id bigint not null,
    -- The event's whole name, compared as it is written: `math.add.get.pre_process`.
    name text not null,
    version integer not null,
    is_active boolean not null default false,
    allow_event_modification boolean not null default false,
    created_at timestamptz not null default now(),
    modified_at timestamptz not null default now(),
    created_by bigint,
    modified_by bigint,
    primary key (tenant, id),
    unique (tenant, name)
);
select protect('event_script', 'select, insert, update, delete');

-- Every save of an event script. A job names the versions that it was accepted with, and a version never changes.
create table event_script_version (
    tenant bigint not null,
    script bigint not null,
    version integer not null,
    language text not null,
    content text not null,
    -- As given; null without one.
    config text,
    created_at timestamptz not null default now(),
    created_by bigint,
    primary key (tenant, script, version),
    foreign key (tenant, script) references event_script on delete cascade
);
select protect('event_script_version', 'select, insert');

create trigger note_change after insert or delete or update on event_script
    for each row execute function note_catalog_change();

-- The paths of an OpenAPI document as a service stores it, with their verbs: `{"/item/{id}":["get","put"]}`. An empty
-- object for what is no such document.
create function doc_paths(p_doc text) returns text
    language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
    as $$
declare
    doc jsonb;
begin
    doc := p_doc::jsonb;
    if jsonb_typeof(doc) = 'array' then doc := doc -> 0; end if;
    if doc ? 'content' then doc := doc -> 'content'; end if;
    -- The document is kept as a text in the reference's shape, and may be an object in anybody else's.
    if jsonb_typeof(doc) = 'string' then doc := (doc #>> '{}')::jsonb; end if;
    return coalesce(
        (
            select jsonb_object_agg(p.key, (
                select coalesce(jsonb_agg(v order by v), '[]')
                from jsonb_object_keys(p.value) v
                where v in ('get', 'post', 'put', 'patch', 'delete', 'head', 'options')
            ))
            from jsonb_each(doc -> 'paths') p
            where p.key like '/%' and jsonb_typeof(p.value) = 'object'
        ),
        '{}')::text;
exception when others then
    return '{}';
end
$$;
alter table service add column doc_paths text generated always as (doc_paths(doc)) stored;
