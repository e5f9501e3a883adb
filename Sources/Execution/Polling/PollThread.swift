import CHost
import Glibc
import Synchronization

/// The one thread that watches this room's descriptors. What is isolated to it runs there, one thing at a time, and
/// must not block.
///
/// NIO can not pass descriptors, and a script needs four of them watched; one poller for sockets, pipes, and processes is
/// less than two mechanisms side by side.
@globalActor
actor PollThread {
    static let shared = PollThread()

    nonisolated var unownedExecutor: UnownedSerialExecutor { PollExecutor.shared.asUnownedSerialExecutor() }
}

/// Runs the jobs of ``PollThread`` on a thread of its own, and waits for descriptors and timers between them.
final class PollExecutor: SerialExecutor {
    static let shared = PollExecutor()

    /// The moment of the next timer in nanoseconds of the monotonic clock; `UInt64.max` where there is none.
    let nextTimer = Atomic<UInt64>(.max)
    let poller: Int32
    private let bell: Int32
    private let queue = Mutex<[UnownedJob]>([])
    private let thread = Atomic<UInt>(0)

    private static let bellToken: UInt64 = 0

    private init() {
        poller = host_poller()
        bell = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        let watched = host_watch(poller, bell, Self.bellToken, HOST_READABLE)
        precondition(poller >= 0 && bell >= 0 && watched == 0, "no descriptors are left for the poll thread")
        var id = pthread_t()
        let error = pthread_create(
            &id, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<PollExecutor>.fromOpaque(argument).takeUnretainedValue().loop()
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(error == 0, "the poll thread can not be started")
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let wasEmpty = queue.withLock { queue in
            queue.append(job)
            return queue.count == 1
        }
        // The thread itself looks at the queue before it waits.
        if wasEmpty, thread.load(ordering: .relaxed) != UInt(pthread_self()) {
            var one: UInt64 = 1
            _ = write(bell, &one, 8)
        }
    }

    func checkIsolated() {
        precondition(thread.load(ordering: .relaxed) == UInt(pthread_self()), "not on the poll thread")
    }

    private func loop() -> Never {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        host_name_thread("scripts")
        var events = [host_event](repeating: host_event(), count: 64)
        while true {
            for job in queue.withLock({ queue in
                defer { queue = [] }
                return queue
            }) { job.runSynchronously(on: asUnownedSerialExecutor()) }

            let count = Int(host_poll(poller, &events, Int32(events.count), queue.withLock(\.isEmpty) ? pause() : 0))
            var happened: [host_event] = []
            for event in events.prefix(count) {
                if event.token == Self.bellToken {
                    var rings: UInt64 = 0
                    _ = read(bell, &rings, 8)
                } else {
                    happened.append(event)
                }
            }
            if !happened.isEmpty || nextTimer.load(ordering: .relaxed) <= Self.now {
                // It runs here, next in the queue.
                Task { @PollThread [happened] in Poller.shared.dispatch(happened) }
            }
        }
    }

    /// Milliseconds until the next timer, rounded up; -1 where there is none.
    private func pause() -> Int32 {
        let next = nextTimer.load(ordering: .relaxed)
        guard next != .max else { return -1 }
        let now = Self.now
        return next <= now ? 0 : Int32(clamping: (next - now + 999_999) / 1_000_000)
    }

    /// The monotonic clock, in nanoseconds.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
