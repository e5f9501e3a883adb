import Core
import Database
import Logging
import Synchronization

/// Sends the queue's wake-ups: what gathers while one NOTIFY is under way goes with the next.
///
/// A wake-up that is lost costs time, never a job: whoever it was meant for looks by itself.
final class QueueNotifier: Sendable {
    private struct Pending {
        var isReady = false
        var isCancelled = false
        var done: [Int64: [JobID]] = [:]
    }

    private let database: Database
    private let logger: Logger
    private let pending = Mutex(Pending())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// A payload holds at most 8 000 bytes.
    private static let mostIDs = 200

    init(database: Database, logger: Logger) {
        self.database = database
        self.logger = logger
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// There is something to claim.
    func ready() {
        pending.withLock { $0.isReady = true }
        signal.yield()
    }

    /// A job has ended; the process with this number may wait for it.
    func done(_ job: JobID, ingress: Int64) {
        pending.withLock { $0.done[ingress, default: []].append(job) }
        signal.yield()
    }

    /// A job that runs was cancelled.
    func cancelled() {
        pending.withLock { $0.isCancelled = true }
        signal.yield()
    }

    /// Sends until its task is cancelled.
    func run() async {
        for await _ in signals {
            let batch = pending.withLock { pending in
                defer { pending = Pending() }
                return pending
            }
            if batch.isCancelled { await notify(JobQueue.cancelChannel, "") }
            if batch.isReady { await notify(JobQueue.readyChannel, "") }
            for (ingress, jobs) in batch.done {
                for payload in Self.payloads(jobs) { await notify(JobQueue.doneChannel(ingress), payload) }
            }
        }
    }

    /// Up to so many jobs in a batch are told of on the connection that has written them: that is soonest. With more, batches
    /// follow each other, and share their wake-ups.
    static let fewJobs = 8

    /// What says that there is something to claim, for who has a connection in hand.
    static let ready: [(Statement, [any PostgresEncodable])] = [(SystemStatements.notify, [JobQueue.readyChannel, ""])]

    /// What says that jobs have ended, for who has a connection in hand.
    /// - Parameter jobs: by the process that may wait for them.
    static func done(_ jobs: [Int64: [JobID]]) -> [(Statement, [any PostgresEncodable])] {
        jobs.flatMap { ingress, jobs in
            payloads(jobs).map { (SystemStatements.notify, [JobQueue.doneChannel(ingress), $0]) }
        }
    }

    private static func payloads(_ jobs: [JobID]) -> [String] {
        stride(from: 0, to: jobs.count, by: mostIDs).map { start in
            jobs[start..<min(start + mostIDs, jobs.count)].map(\.description).joined(separator: ",")
        }
    }

    private func notify(_ channel: String, _ payload: String) async {
        do {
            _ = try await database.system.execute(SystemStatements.notify, [channel, payload])
        } catch {
            logger.debug("wake-up not sent", metadata: ["channel": "\(channel)", "error": "\(error)"])
        }
    }
}
