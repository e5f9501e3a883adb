import Core
import Database

/// How full the queue is at a moment.
public struct QueueDepth: Sendable {
    /// No more than this many waiting jobs are counted.
    public static let most: Int64 = 100_000

    public let readySynchronous: Int64
    public let readyAsynchronous: Int64
    public let delayed: Int64
    public let running: Int64
    /// How long the job that is next has waited since it was accepted, or since the time it was put off to.
    public let oldest: Duration
    /// Workers whose lease holds, and their slots.
    public let workers: Int64
    public let slots: Int64
}

extension JobQueue {
    /// Looks at the whole queue, at a bounded price.
    public func depth() async throws -> QueueDepth {
        let rows = try await database.system.read { sql in
            try sql.query(SystemStatements.depth, QueueDepth.most, Double(Self.lease.milliseconds) / 1000)
        }
        guard let row = rows.first else { throw ServiceError(503, "The queue could not be looked at.", retryAfter: 1) }
        let (synchronous, asynchronous, delayed, running, oldest, workers, slots) = try row.decode(
            Int64.self, Int64.self, Int64.self, Int64.self, Double.self, Int64.self, Int64.self)
        return QueueDepth(
            readySynchronous: synchronous, readyAsynchronous: asynchronous, delayed: delayed, running: running,
            oldest: .seconds(oldest), workers: workers, slots: slots)
    }
}
