import Database

/// Every statement of this room that crosses tenants. Whatever is not listed here runs in one tenant's scope.
enum SystemStatements {
    static let tenantOfKey = Statement("catalog_tenant_of_key", "select tenant from app where key_hash = $1::bytea")

    static let tenantOfName = Statement("catalog_tenant_of_name", "select id from tenant where name = $1::text")

    static let dataKeys = Statement(
        "catalog_data_keys", "select id, data_key from tenant where deleted_at is null order by id limit 1000")

    /// What changed within the last minute. A change is noted when it is made and seen when it is committed, so the window
    /// is wider than any catalogue transaction is long, and the count tells of one that was seen late.
    static let changes = Statement(
        "catalog_changes",
        """
        select tenant, max(seq), count(*) from catalog_change where at > now() - interval '1 minute' group by tenant
        """)

    static let forgetTokens = Statement(
        "catalog_forget_tokens", "delete from revoked_token where expires_at < now()")

    static let forgetChanges = Statement(
        "catalog_forget_changes", "delete from catalog_change where at < now() - interval '1 hour'")

    /// Batched over tenants. What is taken twice because a connection broke is lost to the tenant, which costs less than an
    /// error. Commits asynchronously.
    static let takeTokens = Statement(
        "catalog_take_tokens",
        """
        select tenant, granted, ahead, left_over, wait_seconds
        from take_tokens_1($1::bigint[], $2::integer[], $3::integer[], $4::integer[], $5::integer[],
            $6::double precision[], $7::double precision[], $8::double precision)
        """, idempotent: true)

    /// A bucket that is full again is as good as none. Those that are in use are left for the next time: whoever takes from
    /// several locks them in an order of its own.
    static let forgetBuckets = Statement(
        "catalog_forget_buckets",
        """
        delete from rate_bucket where tenant in (
            select b.tenant from rate_bucket b
            where b.at < now() - interval '1 hour' and b.used <= b.rate * extract(epoch from now() - b.at)
            for update skip locked
        )
        """)

    static let createTenant = Statement(
        "catalog_create_tenant",
        """
        insert into tenant (name, label, quotas, data_key) values ($1::text, $2::text, $3::text, $4::bytea)
        returning id
        """)

    static let tenants = Statement(
        "catalog_tenants",
        """
        select id, name, label, suspended, quotas, created_at from tenant
        where deleted_at is null and id > $1::bigint order by id limit $2::bigint
        """)

    static let tenantRecord = Statement(
        "catalog_tenant_record",
        """
        select id, name, label, suspended, quotas, created_at from tenant
        where deleted_at is null and name = $1::text
        """)

    static let lockTenant = Statement(
        "catalog_lock_tenant",
        """
        select id, name, label, suspended, quotas, created_at from tenant
        where deleted_at is null and name = $1::text for update
        """)

    static let changeTenant = Statement(
        "catalog_change_tenant",
        "update tenant set label = $2::text, suspended = $3::boolean, quotas = $4::text where id = $1::bigint")

    /// The keys go first, and the key that opens all that is stored: what is dropped later can not be read before.
    static let forgetKeys = Statement("catalog_forget_keys", "delete from app where tenant = $1::bigint")

    static let endTenant = Statement(
        "catalog_end_tenant",
        """
        update tenant
        set name = null, label = '', quotas = '{}', data_key = '', suspended = true, deleted_at = now()
        where id = $1::bigint
        """)

    static let endedTenants = Statement(
        "catalog_ended_tenants",
        "select id from tenant where deleted_at is not null order by deleted_at limit 100")

    static let dropTenant = Statement("catalog_drop_tenant", "select drop_tenant_1($1::bigint, $2::integer)")

    /// Makes the workers look whether what they run is still theirs.
    static let stopRuns = Statement("catalog_stop_runs", "select pg_notify('scriptorium_cancel', '')")

    static let usage = Statement(
        "catalog_usage",
        """
        select to_char(day, 'YYYY-MM-DD'), service, jobs, attempts, run_us, cpu_us, request_bytes, response_bytes,
            user_us, system_us, waited_us, api_calls, bytes_in, bytes_out, log_bytes
        from usage_1($1::bigint, $2::text::date, $3::text::date)
        """)

    static let closeUsageDay = Statement(
        "catalog_close_usage_day", "select to_char(close_some_usage_day_1(), 'YYYY-MM-DD')")

    /// Today and the first of its month, by the database's clock.
    static let today = Statement(
        "catalog_today",
        """
        select to_char(now() at time zone 'UTC', 'YYYY-MM-01'), to_char(now() at time zone 'UTC', 'YYYY-MM-DD')
        """)

    /// Autocommits on its own: a NOTIFY inside a data transaction would hold a database-wide lock through its commit.
    static let notify = Statement("catalog_notify", "select pg_notify('scriptorium_catalog', $1::text)")
}
