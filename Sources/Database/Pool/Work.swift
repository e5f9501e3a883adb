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
}

/// Work with a caller that awaits its result. Whoever takes the continuation out of the state resumes it.
final class PooledWork<T: Sendable>: Work {
    typealias Caller = CheckedContinuation<T, any Error>

    private enum State {
        case new
        case queued(Caller)
        case running(Caller, LinkCanceller)
        case over
    }

    let deadline: Moment
    private let body: @Sendable (Link) throws -> T
    private let cancellations: Cancellations
    private let state = Mutex(State.new)
    private let isCancelled = Atomic(false)

    init(deadline: Moment, cancellations: Cancellations, _ body: @escaping @Sendable (Link) throws -> T) {
        self.deadline = deadline
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
            case .running(_, let canceller):
                isCancelled.store(true, ordering: .releasing)
                // Under the lock: once the work is over, nothing may stop what the connection does next.
                cancellations.request(canceller)
                return nil
            case .over:
                return nil
            }
        }
        caller?.resume(throwing: CancellationError())
    }

    func interrupt() {
        state.withLock { state in
            guard case .running(_, let canceller) = state else { return }
            isCancelled.store(true, ordering: .releasing)
            cancellations.request(canceller)
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
            state = .running(caller, link.canceller)
            return true
        }
        guard isOurs else { return true }
        link.hasActed = false
        link.isInterrupted = { self.isCancelled.load(ordering: .acquiring) }
        let result = Result { try body(link) }
        link.isInterrupted = { false }
        var mayRepeat = false
        if case .failure(let error as DatabaseError) = result {
            mayRepeat = error.code == .connectionLost && !link.hasActed && Moment.now < deadline
        }
        let isCancelled = isCancelled.load(ordering: .acquiring)
        let caller: Caller? = state.withLock { state in
            guard case .running(let caller, _) = state else { return nil }
            state = mayRepeat && !isCancelled ? .queued(caller) : .over
            return mayRepeat && !isCancelled ? nil : caller
        }
        if isCancelled, !cancellations.settle(link.canceller) { link.spoil() }
        guard let caller else { return false }
        caller.resume(with: result.mapError { Self.asSeen($0, cancelled: isCancelled) })
        return true
    }

    /// The server's "canceling statement due to user request" is our own cancellation, if we asked for it.
    private static func asSeen(_ error: any Error, cancelled: Bool) -> any Error {
        guard cancelled, let error = error as? DatabaseError, error.sqlState == "57014" else { return error }
        return CancellationError()
    }
}
