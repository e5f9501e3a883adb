import Database
import Glibc
import Logging
import Synchronization

/// A session that leaves a transaction open and does nothing: it holds back vacuum in its database.
public final class HeldTransaction: Sendable {
    /// Of the session.
    public let process: Int32
    private let shared: Shared
    private let database: Database
    private let work: Task<Void, any Error>

    private final class Shared: Sendable {
        let process = Mutex<Int32?>(nil)
        let isOver = Atomic(false)
    }

    private static let begin = Statement("hold", "select pg_backend_pid() from (select txid_current()) as t")

    /// Returns when the transaction is open.
    /// - Parameter url: of the database, as its owner.
    public init(_ url: String, name: String = "held") async throws {
        var options = DatabaseOptions(url: url, connections: 1)
        options.applicationName = name
        let database = Database(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let shared = Shared()
        self.database = database
        self.shared = shared
        // It ends with `end`.
        work = Task {
            try await database.system.transaction(limit: .seconds(3600)) { sql in
                let process = try sql.query(Self.begin).first?.decode(Int32.self)
                shared.process.withLock { $0 = process }
                // The thread is the connection's own.
                while !shared.isOver.load(ordering: .relaxed) { usleep(10_000) }
            }
        }
        var process: Int32?
        try await eventually("a transaction is open") {
            process = shared.process.withLock { $0 }
            return process != nil
        }
        self.process = process ?? 0
    }

    /// Ends the session.
    /// - Returns: whether the transaction was open until now, and not ended by the server.
    @discardableResult public func end() async -> Bool {
        shared.isOver.store(true, ordering: .relaxed)
        let result = await work.result
        await database.close()
        if case .success = result { return true }
        return false
    }
}
