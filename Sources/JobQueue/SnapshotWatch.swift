import Core
import Database
import Logging
import Synchronization

/// Looks for transactions that stay open in this database: they keep the rows that the queue deletes, and every claim has
/// to pass over those (queues.md §5). Whoever holds one is named in the log; sessions of our own that have forgotten theirs
/// are ended.
struct SnapshotWatch: Sendable {
    /// How often the same transaction is warned of.
    private static let repetition = Duration.seconds(60)
    /// Given up after that; the next round comes.
    private static let limit = Duration.seconds(2)

    /// A transaction: a process id is given to another session some day.
    private struct Holder: Hashable {
        let process: Int32
        let began: Timestamp
    }

    private let database: Database
    private let logger: Logger
    private let patience: Duration
    private let longestIdle: Duration
    /// When each was warned of last.
    private let warned = Warned()

    private final class Warned: Sendable {
        let holders = Mutex<[Holder: ContinuousClock.Instant]>([:])
    }

    /// - Parameters:
    ///   - patience: from here on a snapshot is worth a warning.
    ///   - longestIdle: for so long a session of our own may leave a transaction open and do nothing.
    init(database: Database, logger: Logger, patience: Duration, longestIdle: Duration) {
        self.patience = patience
        self.longestIdle = longestIdle
        self.database = database
        self.logger = logger
    }

    /// One look, at the server's sessions and at nothing else. The oldest few are named, however many there are.
    func look() async throws {
        let ended = try await database.system.execute(
            SystemStatements.endIdle, [Double(longestIdle.milliseconds) / 1000], limit: Self.limit)
        for row in ended {
            let (process, name, idle) = try row.decode(Int32.self, String.self, Double.self)
            logger.warning(
                "session ended that had left its transaction open",
                metadata: ["pid": "\(process)", "application_name": "\(name)", "idle_seconds": "\(Int(idle))"])
        }
        let holders = try await database.system.execute(
            SystemStatements.oldSnapshots, [Double(patience.milliseconds) / 1000], limit: Self.limit)
        let now = ContinuousClock.now
        var seen: Set<Holder> = []
        for row in holders {
            let (process, name, state, began, age) = try row.decode(
                Int32.self, String.self, String.self, Timestamp.self, Double.self)
            let holder = Holder(process: process, began: began)
            seen.insert(holder)
            guard isDue(holder, now) else { continue }
            logger.warning(
                "a transaction stays open: the rows that the queue deletes are kept and slow it down",
                metadata: [
                    "pid": "\(process)", "application_name": "\(name)", "state": "\(state)",
                    "age_seconds": "\(Int(age))", "advice": "\(Self.advice(process, state))",
                ])
        }
        warned.holders.withLock { [seen] warned in warned = warned.filter { seen.contains($0.key) } }
    }

    private func isDue(_ holder: Holder, _ now: ContinuousClock.Instant) -> Bool {
        warned.holders.withLock { warned in
            if let last = warned[holder], last.duration(to: now) < Self.repetition { return false }
            warned[holder] = now
            return true
        }
    }

    private static func advice(_ process: Int32, _ state: String) -> String {
        if state == "prepared" {
            return "end the prepared transaction (pg_prepared_xacts) by COMMIT PREPARED or ROLLBACK PREPARED"
        }
        let what = state.hasPrefix("idle") ? "let the program end its transaction" : "let its statement come to an end"
        return "\(what), or end it: select pg_terminate_backend(\(process))."
            + " Keep long reports and dumps out of this database, or run them on a standby"
    }
}
