import Database

/// Every statement of this room that crosses tenants. Whatever is not listed here runs in one tenant's scope.
enum SystemStatements {
    static let tenantOfKey = Statement("catalog_tenant_of_key", "select tenant from app where key_hash = $1::bytea")

    static let tenantOfName = Statement("catalog_tenant_of_name", "select id from tenant where name = $1::text")

    static let dataKeys = Statement("catalog_data_keys", "select id, data_key from tenant order by id limit 1000")

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

    static let createTenant = Statement(
        "catalog_create_tenant",
        """
        insert into tenant (name, label, quotas, data_key) values ($1::text, $2::text, $3::text, $4::bytea)
        returning id
        """)

    /// Autocommits on its own: a NOTIFY inside a data transaction would hold a database-wide lock through its commit.
    static let notify = Statement("catalog_notify", "select pg_notify('scriptorium_catalog', $1::text)")
}
