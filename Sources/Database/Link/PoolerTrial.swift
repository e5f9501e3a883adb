/// What lasts of a connection from one transaction to the next.
public enum Lasting: Sendable, Hashable {
    /// It leads to the server itself, or to a pooler that gives it a connection of its own.
    case everything
    /// A pooler gives each transaction any of its connections, and minds prepared statements.
    case statements
    /// As PgBouncer before 1.21 in transaction mode: a transaction meets what others have prepared under the same names.
    case nothing
}

/// Finds out what lasts, where a pooler may stand before the server.
enum PoolerTrial {
    /// As often as makes it unlikely that two connections get one of the server's each by chance.
    private static let rounds = 8

    /// Of one name, and not the same: two connections that share one of the server's are in each other's way.
    private static let statements = [
        Statement("scriptorium_trial", "select 1::int4, pg_backend_pid()"),
        Statement("scriptorium_trial", "select 2::int4, pg_backend_pid()"),
    ]

    private static let process = Statement("scriptorium_process", "select pg_backend_pid()")

    /// Blocks for some round trips; for one where there is no pooler.
    static func run(_ link: Link, url: String) throws -> Lasting {
        // A pooler gives each connection a number of its own.
        if try link.run(process, []).rows.first?.decode(Int32.self) == link.processID { return .everything }
        let target = LinkTarget(url: url, applicationName: "scriptorium-start")
        let links = [try Link.open(target), try Link.open(target)]
        var processes: [Set<Int32>] = [[], []]
        do {
            for _ in 1...rounds {
                for number in 0...1 {
                    // In a transaction nothing is prepared a second time.
                    try links[number].command("BEGIN")
                    let row = try links[number].run(statements[number], []).rows.first?.decode(Int32.self, Int32.self)
                    guard let row, row.0 == number + 1 else { return .nothing }
                    processes[number].insert(row.1)
                    try links[number].command("COMMIT")
                }
            }
        } catch let error as DatabaseError where ["26000", "42P05"].contains(error.sqlState) {
            return .nothing
        }
        let areTheirOwn = processes.allSatisfy { $0.count == 1 } && processes[0] != processes[1]
        return areTheirOwn ? .everything : .statements
    }
}
