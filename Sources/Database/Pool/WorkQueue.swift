import Synchronization

/// The work that waits for a connection, and the state that all threads of a pool share.
///
/// Work goes to the connection that was at work last: while there is little of it, few are used, and what their server
/// processes have learned, of tables and of plans, is where it is needed.
final class WorkQueue: Sendable {
    fileprivate struct State {
        var waiting = Queue<any Work>()
        /// Those without work; the last has become so last. Where there is one, nothing waits.
        var idle: [Seat] = []
        var running: [ObjectIdentifier: any Work] = [:]
        var isClosed = false
        var lastFailure: DatabaseError?
    }

    /// How many may wait; more are refused at once.
    static let limit = 10_000

    private let state = Mutex(State())
    /// What wakes those who wait for a time and not for work.
    private let clock = Monitor((isClosed: false, isStale: false))

    var isClosed: Bool { state.withLock { $0.isClosed } }

    func append(_ work: any Work) {
        let (seat, refusal): (Seat?, DatabaseError?) = state.withLock { state in
            if state.isClosed { return (nil, DatabaseError(.unavailable, "the database is closed")) }
            if let seat = state.seat(for: work) { return (seat, nil) }
            if state.waiting.count >= Self.limit {
                return (nil, DatabaseError(.unavailable, "\(Self.limit) operations wait for the database already"))
            }
            state.waiting.append(work)
            return (nil, nil)
        }
        seat?.give(work)
        if let refusal { work.fail(refusal) }
    }

    /// Puts work back that a broken connection could not do.
    func putBack(_ work: any Work) {
        let (seat, isClosed): (Seat?, Bool) = state.withLock { state in
            if state.isClosed { return (nil, true) }
            if let seat = state.seat(for: work) { return (seat, false) }
            state.waiting.prepend(work)
            return (nil, false)
        }
        seat?.give(work)
        clock.change(wakingAll: true) { $0.isStale = true }
        if isClosed { work.fail(DatabaseError(.unavailable, "the database is closed")) }
    }

    /// Blocks until there is work; nil when the queue is closed.
    /// - Parameter seat: of the calling thread alone.
    func next(on seat: Seat) -> (any Work)? {
        let found: (any Work)?? = state.withLock { state in
            if state.isClosed { return .some(nil) }
            guard let work = state.waiting.popFirst() else {
                state.idle.append(seat)
                return nil
            }
            state.running[ObjectIdentifier(work)] = work
            return .some(work)
        }
        return found ?? seat.take()
    }

    func finished(_ work: any Work) {
        state.withLock { _ = $0.running.removeValue(forKey: ObjectIdentifier(work)) }
    }

    /// Waits for `duration`; false when the queue was closed.
    func pause(_ duration: Duration) -> Bool {
        clock.wait(until: .now + duration) { $0.isClosed ? true : nil } == nil
    }

    func note(_ failure: DatabaseError?) { state.withLock { $0.lastFailure = failure } }

    /// How exactly the end of running work is kept.
    private static let tick = Duration.milliseconds(250)

    /// Ends what has waited too long, and gives up the connections whose work has run too long.
    /// - Returns: when to look again; nil when the queue is closed.
    func expire(now: Moment, waitLimit: Duration, answerLimit: Duration) -> Moment? {
        let (late, running, failure, next): ([any Work], [any Work], DatabaseError?, Moment?) = state.withLock {
            state in
            var late: [any Work] = []
            while let first = state.waiting.first, first.deadline <= now {
                late.append(first)
                _ = state.waiting.popFirst()
            }
            // What comes in later has its deadline after this.
            var next = now + min(waitLimit, answerLimit)
            if let first = state.waiting.first { next = min(next, first.deadline) }
            if !state.running.isEmpty { next = min(next, now + Self.tick) }
            let isOver = state.isClosed && state.running.isEmpty
            return (late, Array(state.running.values), state.lastFailure, isOver ? nil : next)
        }
        for work in running { work.giveUp(at: now) }
        let message = "no usable connection to the database within \(waitLimit)"
        for work in late {
            work.fail(DatabaseError(.unavailable, failure.map { "\(message): \($0.message)" } ?? message))
        }
        return next
    }

    /// Waits until `moment`, or until work with an earlier deadline may have come back.
    func wait(until moment: Moment) {
        _ = clock.wait(until: moment) { clock -> Bool? in
            defer { clock.isStale = false }
            return clock.isClosed || clock.isStale ? true : nil
        }
        // A closed queue is asked again and again until the last work is over.
        if isClosed { _ = clock.wait(until: .now + Self.tick) { _ -> Bool? in nil } }
    }

    /// No more work: what waits fails. What runs goes on.
    func close() {
        let (waiting, idle) = state.withLock { state in
            state.isClosed = true
            defer { state.idle = [] }
            return (state.waiting.removeAll(), state.idle)
        }
        for seat in idle { seat.give(nil) }
        clock.change(wakingAll: true) { $0.isClosed = true }
        for work in waiting { work.fail(DatabaseError(.unavailable, "the database is closed")) }
    }

    func interruptRunning() {
        for work in state.withLock({ Array($0.running.values) }) { work.interrupt() }
    }
}

extension WorkQueue.State {
    /// Who can have the work at once.
    fileprivate mutating func seat(for work: any Work) -> Seat? {
        guard let seat = idle.popLast() else { return nil }
        running[ObjectIdentifier(work)] = work
        return seat
    }
}
