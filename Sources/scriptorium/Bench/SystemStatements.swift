import Database

/// Every statement of the benchmarks that crosses tenants.
enum SystemStatements {
    static let process = Statement("bench_process", "select pg_backend_pid()")

    static func create(_ name: String) -> Statement {
        Statement(benchmark: "bench_create", "create database \(name)")
    }

    static func drop(_ name: String) -> Statement {
        Statement(benchmark: "bench_drop", "drop database if exists \(name) with (force)")
    }

    /// Makes tenants that nobody can log in to.
    static let tenants = Statement(
        "bench_tenants",
        """
        insert into tenant (name, quotas, data_key)
        select 'bench-' || n, $2::text, '\\x00' from generate_series(1, $1::bigint) as t (n)
        order by n returning id
        """)

    /// Changes what a range of tenants may use.
    static let quotas = Statement(
        "bench_quotas", "update tenant set quotas = $3::text where id between $1::bigint and $2::bigint")

    static let position = Statement("bench_wal", "select (pg_current_wal_insert_lsn() - '0/0')::bigint")

    /// What became of the jobs of these workers: how many have a result, and how many of these are right. A payload begins
    /// with the job's id and is its result.
    static let check = Statement(
        "bench_check",
        """
        select
            count(*), count(distinct j.id),
            count(*) filter (
                where r.status = 1 and r.attempt = 1 and r.tenant = j.tenant and r.response = j.request
                    and substring(j.request for 16) = uuid_send(j.id))
        from result r
        join job j on j.id = r.id and j.created_at = r.created_at
        where r.worker = any ($1::bigint[]) and j.ingress <> 0
        """)

    /// In how many transactions the jobs of these workers were written, and their results.
    static let batches = Statement(
        "bench_batches",
        """
        select count(distinct j.xmin::text), count(distinct r.xmin::text)
        from result r
        join job j on j.id = r.id and j.created_at = r.created_at
        where r.worker = any ($1::bigint[]) and j.ingress <> 0
        """)

    /// Has every lane counted anew that is not right.
    static let quiet = Statement("bench_quiet", "update lane set touched_at = '-infinity'")

    static let answered = Statement("bench_answered", "select count(*) from result where worker = $1::bigint")

    static let waiting = Statement("bench_waiting", "select count(*) from ready")

    static let analyze = Statement("bench_analyze", "analyze")

    static let checkpoint = Statement("bench_checkpoint", "checkpoint")

    /// A statement of the queue with this text in the place of its parameters, and what it read.
    static func explain(_ text: String) -> Statement {
        Statement(benchmark: "bench_explain", "explain (analyze, buffers) \(text)")
    }

    /// A part of a backlog, written as an ingress would write it.
    static func fill(_ text: String) -> Statement { Statement(benchmark: "bench_fill", text) }

    static let repeatableRead = Statement(
        "bench_isolation", "set session characteristics as transaction isolation level repeatable read")

    /// From here on nothing that is deleted can be cleaned up, until the transaction ends.
    static let hold = Statement("bench_hold", "select txid_current()")

    static let pause = Statement("bench_pause", "select pg_sleep($1::double precision)")
}
