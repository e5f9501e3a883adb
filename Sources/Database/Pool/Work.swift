import Synchronization

/// Work that waits for a connection, or runs on one.
protocol Work: AnyObject, Sendable {
    var deadline: Moment { get }
    /// Runs on the thread of the connection. False: the connection is broken and nothing has happened; run it elsewhere.
    func attempt(on link: Link) -> Bool
    /// Ends it where it has not begun.
    func fail(_ error: any Error)
    /// Stops what runs.
    func interrupt()
    /// Gives its connection up where it has run longer than it may.
    func giveUp(at now: Moment)
}

/// Work with a caller that awaits its result. Whoever takes the continuation out of the state resumes it.
final class PooledWork<T: Sendable>: Work {
    typealias Caller = CheckedContinuation<T, any Error>

    private enum State {
        case new
        case queued(Caller)
        case running(Caller, LinkCanceller, end: Moment)
        case over
    }

    /// How long the server has to stop what was cancelled.
    private static var cancelPatience: Duration { .seconds(2) }

    let deadline: Moment
    private let created = Moment.now
    private let end: Moment
    private let body: @Sendable (Link) throws -> T
    private let cancellations: Cancellations
    private let state = Mutex(State.new)
    private let isCancelled = Atomic(false)
    private let isGivenUp = Atomic(false)

    /// - Parameters:
    ///   - deadline: by then it must have begun.
    ///   - end: by then it must be over.
    init(
        deadline: Moment, end: Moment, cancellations: Cancellations,
        _ body: @escaping @Sendable (Link) throws -> T
    ) {
        self.deadline = deadline
        self.end = end
        self.cancellations = cancellations
        self.body = body
    }

    /// False where it was cancelled before: then the caller is already answered.
    func begin(_ caller: Caller) -> Bool {
        let isQueued = state.withLock { state in
            guard case .new = state else { return false }
            state = .queued(caller)
            return true
        }
        if !isQueued { caller.resume(throwing: CancellationError()) }
        return isQueued
    }

    func cancel() {
        let caller: Caller? = state.withLock { state in
            switch state {
            case .new:
                state = .over
                return nil
            case .queued(let caller):
                state = .over
                return caller
            case .running:
                stop(&state)
                return nil
            case .over:
                return nil
            }
        }
        caller?.resume(throwing: CancellationError())
    }

    func interrupt() {
        state.withLock { stop(&$0) }
    }

    /// Asks the server to stop what runs. Under the lock: once the work is over, nothing may stop what the connection does
    /// next.
    private func stop(_ state: inout sending State) {
        guard case .running(let caller, let canceller, let end) = state else { return }
        isCancelled.store(true, ordering: .releasing)
        cancellations.request(canceller)
        state = .running(caller, canceller, end: min(end, .now + Self.cancelPatience))
    }

    func giveUp(at now: Moment) {
        state.withLock { state in
            guard case .running(_, let canceller, let end) = state, end <= now else { return }
            isGivenUp.store(true, ordering: .releasing)
            canceller.cut()
        }
    }

    func fail(_ error: any Error) {
        let caller: Caller? = state.withLock { state in
            guard case .queued(let caller) = state else { return nil }
            state = .over
            return caller
        }
        caller?.resume(throwing: error)
    }

    func attempt(on link: Link) -> Bool {
        let isOurs = state.withLock { state in
            guard case .queued(let caller) = state else { return false }
            state = .running(caller, link.canceller, end: end)
            return true
        }
        guard isOurs else { return true }
        PoolMetrics.waited(created.duration(to: .now))
        link.hasActed = false
        link.isInterrupted = { self.isCancelled.load(ordering: .acquiring) }
        let result = Result { try body(link) }
        link.isInterrupted = { false }
        var mayRepeat = false
        if case .failure(let error as DatabaseError) = result {
            mayRepeat =
                error.code == .connectionLost && !link.hasActed && !isGivenUp.load(ordering: .acquiring)
                && Moment.now < deadline
        }
        // Under the lock, after which nobody stops this any more: a cancellation that came later than the look would hit what
        // the connection does next.
        let (caller, isCancelled): (Caller?, Bool) = state.withLock { [mayRepeat] state in
            let isCancelled = self.isCancelled.load(ordering: .acquiring)
            guard case .running(let caller, _, _) = state else { return (nil, isCancelled) }
            state = mayRepeat && !isCancelled ? .queued(caller) : .over
            return (mayRepeat && !isCancelled ? nil : caller, isCancelled)
        }
        let isGivenUp = isGivenUp.load(ordering: .acquiring)
        if isGivenUp || isCancelled && !cancellations.settle(link.canceller) { link.spoil() }
        guard let caller else { return false }
        caller.resume(with: result.mapError { Self.asSeen($0, cancelled: isCancelled, givenUp: isGivenUp) })
        return true
    }

    /// The server's "canceling statement due to user request" is our own cancellation, if we asked for it.
    private static func asSeen(_ error: any Error, cancelled: Bool, givenUp: Bool) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        if cancelled, error.sqlState == "57014" { return CancellationError() }
        if givenUp, error.code == .connectionLost {
            return DatabaseError(.connectionLost, "the database did not answer in time", statement: error.statement)
        }
        return error
    }
}
