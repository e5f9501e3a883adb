import CHost
import CLibCurl
import Glibc
import Synchronization

/// The thread that moves all transfers of a client.
///
/// Other threads leave their wishes in `state` and wake it; it alone touches what libcurl has in hand.
final class TransferLoop: Sendable {
    private struct State {
        var arrived: [Transfer] = []
        /// Held, not just named: a new transfer must not get the place, and so the fate, of one that has just gone.
        var cancelled: [Transfer] = []
        /// From here on libcurl's loop may be gone, and must not be woken.
        var isStopping = false
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// libcurl lets any thread wake its loop; only the loop's own thread does anything else with it.
    private struct Multi: @unchecked Sendable {
        let handle: UnsafeMutableRawPointer
    }

    private let multi: Multi
    private let maxConnections: Int
    private let state = Mutex(State())

    init(maxConnections: Int) {
        let maxConnections = max(maxConnections, 1)
        host_curl_start()
        guard let handle = curl_multi_init() else { preconditionFailure("there is no memory for libcurl") }
        host_curl_set_multi(handle, CURLMOPT_MAX_TOTAL_CONNECTIONS, maxConnections)
        // Else libcurl keeps four for each call under way, and closes most when a burst is over.
        host_curl_set_multi(handle, CURLMOPT_MAXCONNECTS, maxConnections)
        multi = Multi(handle: handle)
        self.maxConnections = maxConnections
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<TransferLoop>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(failure == 0, "the system gives no more threads (\(failure))")
        // Nobody may block for its end: `ended` is told instead.
        pthread_detach(thread)
    }

    /// Takes a transfer, which is ended in any case. Called in the task that waits for it.
    func start(_ transfer: Transfer) {
        let refusal: OutboundError? = state.withLock { state in
            if state.isStopping { return OutboundError(.cancelled, "The client is closed.") }
            // Cancellation is noted before `cancel` is called. What is not seen here comes there, after the arrival.
            if Task.isCancelled { return .callCancelled }
            state.arrived.append(transfer)
            wake()
            return nil
        }
        if let refusal { transfer.end(.failure(refusal)) }
    }

    /// Ends a transfer before its time; does nothing where it has ended.
    func cancel(_ transfer: Transfer) {
        state.withLock { state in
            guard !state.isStopping else { return }
            state.cancelled.append(transfer)
            wake()
        }
    }

    /// Ends all transfers, and then the thread.
    func stop() {
        state.withLock { state in
            guard !state.isStopping else { return }
            state.isStopping = true
            wake()
        }
    }

    /// Returns when everything has ended.
    func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiters.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// Called under the lock, before the stop: the loop is there.
    private func wake() { curl_multi_wakeup(multi.handle) }

    /// The thread's own work.
    private func run() {
        host_name_thread("http-client")
        Self.holdBrokenPipes()
        var work = Work(multi: multi.handle, maxConnections: maxConnections)
        while true {
            let (arrived, cancelled, isStopping) = state.withLock { state in
                defer { (state.arrived, state.cancelled) = ([], []) }
                return (state.arrived, state.cancelled, state.isStopping)
            }
            work.add(arrived)
            if isStopping { break }
            for transfer in cancelled { work.end(transfer, .failure(.callCancelled)) }
            work.move()
        }
        work.endAll(.callCancelled)
        curl_multi_cleanup(multi.handle)
        let waiters = state.withLock { state in
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// A write over TLS to a peer that is gone raises SIGPIPE here: libcurl leaves it to us (CURLOPT_NOSIGNAL).
    private static func holdBrokenPipes() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}

extension OutboundError {
    static let callCancelled = OutboundError(.cancelled, "The call was cancelled.")
}
