/// A statement: its SQL under a static name, which is also the name of its prepared statement.
public struct Statement: Sendable {
    public let name: String
    public let sql: String
    /// Running it twice leaves the same state as running it once, so it may be repeated when its outcome is unknown.
    public let idempotent: Bool

    public init(_ name: StaticString, _ sql: StaticString, idempotent: Bool = false) {
        self.name = "\(name)"
        self.sql = "\(sql)"
        self.idempotent = idempotent
    }

    /// One that is put together at run time, for benchmarks: nothing that somebody sends may be in it.
    package init(benchmark name: String, _ sql: String) {
        self.name = name
        self.sql = sql
        idempotent = false
    }
}
