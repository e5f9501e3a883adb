/// Wakes those who wait for something to change. They look again by themselves, and wait again where it was not theirs.
@PollThread
final class Bell {
    private var waiting: [Int: AsyncStream<Void>.Continuation] = [:]
    /// How many wait now.
    var count: Int { waiting.count }
    private var last = 0

    /// Wakes all who wait now.
    func ring() {
        for continuation in waiting.values { continuation.finish() }
        waiting = [:]
    }

    /// Returns when the bell rings, when the time is over, or when the calling task is cancelled.
    func wait(atMost time: Duration) async {
        last += 1
        let id = last
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        waiting[id] = continuation
        let timer = Poller.shared.after(time) { continuation.finish() }
        for await _ in stream {}
        Poller.shared.cancel(timer)
        waiting[id] = nil
    }
}
