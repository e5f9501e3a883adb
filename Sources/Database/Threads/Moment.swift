import Glibc

/// A moment on the monotonic clock of this machine.
struct Moment: Comparable, Sendable {
    private let nanoseconds: Int64

    private init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    static var now: Moment {
        var time = Glibc.timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    static func < (a: Moment, b: Moment) -> Bool { a.nanoseconds < b.nanoseconds }

    static func + (moment: Moment, duration: Duration) -> Moment {
        let (seconds, attoseconds) = duration.components
        return Moment(nanoseconds: moment.nanoseconds + seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    /// How long from this moment to a later one.
    func duration(to later: Moment) -> Duration { .nanoseconds(later.nanoseconds - nanoseconds) }

    /// What is left until this moment, for `poll`: at least 0, rounded up, at most `limit`.
    func milliseconds(limit: Int32) -> Int32 {
        let left = (nanoseconds - Moment.now.nanoseconds + 999_999) / 1_000_000
        return Int32(min(max(left, 0), Int64(limit)))
    }

    var timespec: timespec {
        Glibc.timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
}
