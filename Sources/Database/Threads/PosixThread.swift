import CHost
import Glibc
import Synchronization

/// A thread for calls that block, with a name and an end that can be awaited.
package final class PosixThread: Sendable {
    private struct State {
        var isOver = false
        var isJoined = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    private final class Outcome<T: Sendable>: Sendable {
        let result = Mutex<Result<T, any Error>?>(nil)
    }

    private let id: pthread_t
    private let state: Shared

    /// - Parameter name: what `top -H` shows; 15 bytes count.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let shared = Shared()
        state = shared
        let start = Start {
            host_name_thread(name)
            body()
            let waiters = shared.state.withLock { state in
                state.isOver = true
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
        var id = pthread_t()
        let failure = pthread_create(
            &id, nil,
            { argument in
                if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, Unmanaged.passRetained(start).toOpaque())
        precondition(failure == 0, "the system gives no more threads (\(failure))")
        self.id = id
    }

    /// Returns when the thread has ended. Cancellation does not shorten it.
    package func finished() async {
        await withCheckedContinuation { continuation in
            let isOver = state.state.withLock { state in
                if !state.isOver { state.waiters.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
        join()
    }

    /// The same, blocking: for threads, and for the moment after the end.
    func join() {
        let isMine = state.state.withLock { state in
            defer { state.isJoined = true }
            return !state.isJoined
        }
        if isMine { pthread_join(id, nil) }
    }

    /// The result of one blocking piece of work on a thread of its own.
    package static func run<T: Sendable>(
        _ name: String, _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        let outcome = Outcome<T>()
        let thread = PosixThread(name) {
            let result = Result { try body() }
            outcome.result.withLock { $0 = result }
        }
        await thread.finished()
        guard let result = outcome.result.withLock({ $0 }) else { throw CancellationError() }
        return try result.get()
    }
}
