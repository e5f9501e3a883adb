import Database

extension SystemStatements {
    /// The dead rows of the hot tables, those of them that this schema has, and the age of the oldest snapshot that keeps
    /// them. Run without a change of role: what the server shows of a session it shows to the role that the session is of.
    /// A vacuum's own snapshot keeps nothing.
    static let vacuumState = Statement(
        "queue_vacuum_state",
        """
        select t.name, pg_stat_get_dead_tuples(to_regclass('public.' || t.name)), o.age
        from unnest(array['ready', 'run', 'delayed', 'held', 'lane', 'worker']) as t (name)
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
        where to_regclass('public.' || t.name) is not null
        """, idempotent: true)
}
