import Database

extension SystemStatements {
    /// The dead rows of the hot tables, and the age of the oldest snapshot that keeps them. Run without a change of
    /// role: what the server shows of a session it shows to the role that the session is of. A vacuum's own snapshot keeps
    /// nothing.
    static let vacuumState = Statement(
        "queue_vacuum_state",
        """
        select t.name, pg_stat_get_dead_tuples(('public.' || t.name)::regclass), o.age
        from unnest(array['ready', 'run', 'delayed', 'lane', 'worker']) as t (name)
        cross join (
            select coalesce(greatest(
                (select max(extract(epoch from clock_timestamp() - a.xact_start)) from pg_stat_activity a
                where a.datname = current_database() and a.pid <> pg_backend_pid()
                    and coalesce(a.backend_xmin, a.backend_xid) is not null
                    and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)),
                (select max(extract(epoch from clock_timestamp() - p.prepared)) from pg_prepared_xacts p
                where p.database = current_database())
            ), 0)::double precision as age
        ) as o
        """, idempotent: true)

    /// Transactions of this database that are older than the parameter and hold back vacuum: the oldest first, and no more
    /// than a few.
    static let oldSnapshots = Statement(
        "queue_old_snapshots",
        """
        select s.pid, s.name, s.state, s.began, extract(epoch from clock_timestamp() - s.began)::double precision
        from (
            select a.pid, coalesce(left(a.application_name, 100), '') as name, coalesce(a.state, a.backend_type, '') as state,
                a.xact_start as began
            from pg_stat_activity a
            where a.datname = current_database() and a.pid <> pg_backend_pid()
                and coalesce(a.backend_xmin, a.backend_xid) is not null
                and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)
            union all
            select 0, left(p.gid, 100), 'prepared', p.prepared from pg_prepared_xacts p
            where p.database = current_database()
        ) as s
        where s.began < clock_timestamp() - make_interval(secs => $1::double precision)
        order by s.began limit 10
        """, idempotent: true)

    /// Ends the sessions of our own user that have done nothing in an open transaction for longer than the parameter.
    static let endIdle = Statement(
        "queue_end_idle",
        """
        select i.pid, i.name, i.idle
        from (
            -- The limit keeps the condition outside from being asked of anybody else.
            select a.pid, coalesce(left(a.application_name, 100), '') as name,
                extract(epoch from clock_timestamp() - a.state_change)::double precision as idle
            from pg_stat_activity a
            where a.datname = current_database() and a.pid <> pg_backend_pid() and a.usename = session_user
                and a.state in ('idle in transaction', 'idle in transaction (aborted)')
                and a.state_change < clock_timestamp() - make_interval(secs => $1::double precision)
            order by a.state_change limit 100
        ) as i
        where pg_terminate_backend(i.pid)
        """)
}
