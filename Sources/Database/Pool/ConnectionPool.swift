import Logging

/// Connections that work off one queue.
final class ConnectionPool: Sendable {
    private let queue = WorkQueue()
    private let cancellations = Cancellations()
    private let connections: [Connection]
    private let timer: PosixThread
    private let waitLimit: Duration
    private let answerLimit: Duration

    init(_ options: DatabaseOptions, logger: Logger) {
        let target = LinkTarget(options)
        waitLimit = options.waitLimit
        answerLimit = options.answerLimit
        connections = (0..<max(1, options.connections)).map { [queue] number in
            Connection(number, target: target, queue: queue, logger: logger)
        }
        timer = PosixThread("db-timer") { [queue, waitLimit, answerLimit] in
            while let next = queue.expire(now: .now, waitLimit: waitLimit, answerLimit: answerLimit) {
                queue.wait(until: next)
            }
        }
    }

    deinit {
        queue.close()
        cancellations.end()
    }

    /// Runs `body` on the thread of a connection. When the calling task is cancelled, work that waits is dropped and work
    /// that runs is stopped by the server.
    /// - Parameter limit: what the work may take instead of the pool's `answerLimit`.
    func run<T: Sendable>(
        limit: Duration? = nil, _ body: @escaping @Sendable (Link) throws -> T
    ) async throws -> T {
        let now = Moment.now
        let work = PooledWork(
            deadline: now + waitLimit, end: now + (limit ?? answerLimit), cancellations: cancellations, body)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { caller in
                if work.begin(caller) { queue.append(work) }
            }
        } onCancel: {
            work.cancel()
        }
    }

    /// How long running work may go on after the end of the pool has been asked for.
    private static let grace = Duration.seconds(5)

    func close() async {
        queue.close()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [queue] in
                guard (try? await Task.sleep(for: Self.grace)) != nil || Task.isCancelled else { return }
                queue.interruptRunning()
            }
            for connection in connections { await connection.finished() }
            group.cancelAll()
        }
        await timer.finished()
        await cancellations.close()
    }
}
