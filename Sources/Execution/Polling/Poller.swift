import CHost
import Synchronization

/// Who is told when something happens to a descriptor, and when a time has come.
@PollThread
final class Poller {
    static let shared = Poller()

    /// What happened to a descriptor; a hang-up counts as readable, so that the end is read.
    struct Readiness: OptionSet {
        let rawValue: UInt32
        static let readable = Readiness(rawValue: HOST_READABLE)
        static let writable = Readiness(rawValue: HOST_WRITABLE)
    }

    /// A descriptor that is watched.
    struct Watch: Hashable {
        fileprivate let token: UInt64
        fileprivate let number: Int32
    }

    /// A time that somebody waits for.
    struct Timer: Comparable {
        fileprivate let deadline: UInt64
        fileprivate let id: UInt64
        static func < (a: Timer, b: Timer) -> Bool { (a.deadline, a.id) < (b.deadline, b.id) }
    }

    /// Room for reading, shared by all, since a read is used before the next one.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    private struct Watcher {
        var wanted: Readiness
        var handler: @PollThread (Readiness) -> Void
    }

    private var watchers: [UInt64: Watcher] = [:]
    private var timers: [(timer: Timer, action: @PollThread () -> Void)] = []
    private var lastID: UInt64 = 0

    private init() {}

    /// Watches `descriptor` until ``end(_:)``. A closed descriptor gives no events.
    func watch(
        _ descriptor: Descriptor, for wanted: Readiness, _ handler: @escaping @PollThread (Readiness) -> Void
    ) -> Watch {
        lastID += 1
        let watch = Watch(token: lastID, number: descriptor.number)
        watchers[watch.token] = Watcher(wanted: wanted, handler: handler)
        _ = host_watch(PollExecutor.shared.poller, watch.number, watch.token, wanted.rawValue)
        return watch
    }

    /// Watches for something else from now on.
    func change(_ watch: Watch, to wanted: Readiness) {
        guard let before = watchers[watch.token]?.wanted, before != wanted else { return }
        watchers[watch.token]?.wanted = wanted
        let poller = PollExecutor.shared.poller
        if wanted.isEmpty {
            // The kernel tells of a hang-up for as long as it lasts, whatever is wanted: nobody would take it, and the thread
            // would never rest.
            host_unwatch(poller, watch.number)
        } else if before.isEmpty {
            _ = host_watch(poller, watch.number, watch.token, wanted.rawValue)
        } else {
            _ = host_change_watch(poller, watch.number, watch.token, wanted.rawValue)
        }
    }

    /// To be called before the descriptor is closed.
    func end(_ watch: Watch) {
        guard let watcher = watchers.removeValue(forKey: watch.token), !watcher.wanted.isEmpty else { return }
        host_unwatch(PollExecutor.shared.poller, watch.number)
    }

    /// Does `action` once, `delay` from now.
    @discardableResult
    func after(_ delay: Duration, _ action: @escaping @PollThread () -> Void) -> Timer {
        lastID += 1
        let (seconds, attoseconds) = delay.components
        let nanoseconds = UInt64(clamping: max(0, min(seconds, 1 << 32)) * 1_000_000_000 + attoseconds / 1_000_000_000)
        let timer = Timer(deadline: PollExecutor.now + nanoseconds, id: lastID)
        timers.insert((timer, action), at: place(of: timer))
        announce()
        return timer
    }

    func cancel(_ timer: Timer) {
        let index = place(of: timer)
        guard index < timers.count, timers[index].timer == timer else { return }
        timers.remove(at: index)
        announce()
    }

    func dispatch(_ events: [host_event]) {
        for event in events {
            var what = Readiness(rawValue: event.what).intersection([.readable, .writable])
            if event.what & HOST_HUNG_UP != 0 { what.formUnion([.readable, .writable]) }
            watchers[event.token]?.handler(what)
        }
        let now = PollExecutor.now
        while let first = timers.first, first.timer.deadline <= now {
            timers.removeFirst()
            first.action()
        }
        announce()
    }

    private func place(of timer: Timer) -> Int {
        var low = 0
        var high = timers.count
        while low < high {
            let middle = (low + high) / 2
            if timers[middle].timer < timer { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func announce() {
        PollExecutor.shared.nextTimer.store(timers.first?.timer.deadline ?? .max, ordering: .relaxed)
    }
}
