import Core
import Database
import JobQueue
import Logging
import Platform
import Synchronization

/// What one attempt prints, on its way into the database: lines that come within a quarter of a second go together.
final class JobLog: Sendable {
    private struct Pending {
        var entries: [LogEntry] = []
        var pieces: Int32 = 0
    }

    private let job: ClaimedJob
    private let worker: WorkerID
    private let dataKey: DataKey
    private let queue: JobQueue
    private let logger: Logger
    private let pending = Mutex(Pending())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    private static let pause = Duration.milliseconds(250)

    init(job: ClaimedJob, worker: WorkerID, dataKey: DataKey, queue: JobQueue, logger: Logger) {
        self.job = job
        self.worker = worker
        self.dataKey = dataKey
        self.queue = queue
        self.logger = logger
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes a line, quickly: the caller's thread serves every script of the process.
    func append(_ line: LogLine) {
        let entry = LogEntry(line)
        pending.withLock { $0.entries.append(entry) }
        signal.yield()
    }

    /// Writes until its task is cancelled, and then what is left.
    func run() async {
        for await _ in signals {
            await flush()
            try? await Task.sleep(for: Self.pause)
        }
        await flush()
    }

    private func flush() async {
        let (entries, piece) = pending.withLock { pending in
            defer {
                pending.entries = []
                pending.pieces += 1
            }
            return (pending.entries, pending.pieces)
        }
        guard !entries.isEmpty else { return }
        let lines = LogEntry.json(entries)
        var stored = LogPiece(
            job: job.id, attempt: job.attempt, worker: worker, piece: piece, lineCount: Int32(entries.count), lines: [])
        do {
            stored.lines = try dataKey.seal(Array(lines.text.utf8), label: stored.label)
            // The attempt's end cancels this task, and what was printed must be stored all the same.
            try await Task { [stored] in try await queue.append(stored) }.value
        } catch {
            logger.warning("log lines not stored", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
        }
    }
}
