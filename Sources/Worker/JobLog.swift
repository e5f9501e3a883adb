import Core
import Database
import JobQueue
import Logging
import Platform
import Synchronization

/// What one attempt prints, on its way into the database: lines that come within a quarter of a second go together.
final class JobLog: Sendable {
    private struct Pending {
        var lines: [JSONText] = []
        var first: Int64
        var next: Int64
    }

    private let job: ClaimedJob
    private let dataKey: DataKey
    private let queue: JobQueue
    private let logger: Logger
    private let pending: Mutex<Pending>
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    private static let pause = Duration.milliseconds(250)

    init(job: ClaimedJob, dataKey: DataKey, queue: JobQueue, logger: Logger) {
        self.job = job
        self.dataKey = dataKey
        self.queue = queue
        self.logger = logger
        // Lines are numbered through all attempts: each has a range of its own, wider than any log can be long.
        let first = Int64(job.attempt - 1) * 100_000_000 + 1
        pending = Mutex(Pending(first: first, next: first))
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func append(_ line: LogLine) {
        pending.withLock { pending in
            pending.lines.append(
                .object([
                    ("seq", .integer(pending.next)), ("at", .string(Timestamp.now.description)),
                    ("stream", .string(line.stream.rawValue)), ("text", .string(line.text)),
                ]))
            pending.next += 1
        }
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
        let (lines, seq) = pending.withLock { pending in
            defer {
                pending.lines = []
                pending.first = pending.next
            }
            return (pending.lines, pending.first)
        }
        guard !lines.isEmpty else { return }
        do {
            let sealed = try dataKey.seal(
                Array(JSONText.array(lines).text.utf8), label: JobResponses.logLabel(job.id, seq))
            let piece = LogPiece(
                job: job.id, createdAt: job.createdAt, tenant: job.tenant, seq: seq, lines: sealed)
            // The attempt's end cancels this task, and what was printed must be stored all the same.
            try await Task { try await queue.append(piece) }.value
        } catch {
            logger.warning("log lines not stored", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
        }
    }
}
