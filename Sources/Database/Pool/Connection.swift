import Logging

/// One connection with a thread of its own: it connects, works off the queue, and reconnects.
final class Connection: Sendable {
    private let thread: PosixThread

    init(_ number: Int, target: LinkTarget, queue: WorkQueue, logger: Logger) {
        thread = PosixThread("db-\(number)") {
            var backoff = Backoff()
            let seat = Seat()
            while !queue.isClosed {
                do throws(DatabaseError) {
                    let link = try Link.open(target) { queue.isClosed }
                    backoff.reset()
                    queue.note(nil)
                    PoolMetrics.opened()
                    defer { PoolMetrics.closed() }
                    Self.serve(queue, seat, with: link)
                } catch {
                    queue.note(error)
                    let pause = backoff.step()
                    logger.debug("connecting failed", metadata: ["error": "\(error)", "retry_after": "\(pause)"])
                    guard queue.pause(pause) else { return }
                }
            }
        }
    }

    func finished() async { await thread.finished() }

    /// Until the connection is broken or the queue closed.
    private static func serve(_ queue: WorkQueue, _ seat: Seat, with link: Link) {
        while let work = queue.next(on: seat) {
            let isDone = link.isAlive() && PoolMetrics.using { work.attempt(on: link) }
            queue.finished(work)
            if !isDone { queue.putBack(work) }
            guard isDone, !link.isBroken, link.isIdle else { return }
        }
    }
}
