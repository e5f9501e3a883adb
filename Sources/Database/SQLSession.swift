/// What the body of a transaction works with. It is lent for the time of the body.
public struct SQLSession: ~Copyable {
    private let link: Link

    init(_ link: Link) { self.link = link }

    /// - Throws: `DatabaseError`; `CancellationError` when the calling task was cancelled.
    public func query(_ statement: Statement, _ parameters: (any PostgresEncodable)?...) throws -> [Row] {
        try link.run(statement, parameters).rows
    }

    /// - Returns: how many rows were written.
    /// - Throws: as `query`.
    @discardableResult
    public func execute(_ statement: Statement, _ parameters: (any PostgresEncodable)?...) throws -> Int {
        try link.run(statement, parameters).affected
    }
}
