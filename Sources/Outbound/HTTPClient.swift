import CHost
import CLibCurl
import Glibc
import Synchronization

/// A client for HTTP/1.1: one thread that runs libcurl's multi interface for all calls. It follows no redirects and uses no
/// proxy.
///
/// Calls that tenants cause need a guard on the addresses that are dialled; this client has none and is for the
/// installation's own use.
public final class HTTPClient: Sendable {
    private struct State {
        var arrived: [Transfer] = []
        var cancelled: Set<ObjectIdentifier> = []
        var isClosing = false
        var whenClosed: [CheckedContinuation<Void, Never>] = []
        var isClosed = false
    }

    /// libcurl lets any thread wake its loop, and only the loop's own thread does anything else with it.
    private struct Loop: @unchecked Sendable {
        let multi: UnsafeMutableRawPointer?
    }

    private let loop: Loop
    private let state = Mutex(State())

    /// - Parameter maxConnections: how many connections are open at once; further calls wait.
    public init(maxConnections: Int = 256) {
        host_curl_start()
        loop = Loop(multi: curl_multi_init())
        host_curl_set_multi(loop.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, maxConnections)
        var thread = pthread_t()
        let client = Unmanaged.passRetained(self)
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<HTTPClient>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, client.toOpaque())
        pthread_detach(thread)
    }

    /// Sends a request. Cancelling the task ends the transfer.
    /// - Throws: ``OutboundError``
    public func send(_ call: HTTPCall) async throws -> HTTPReply {
        let transfer = try Transfer(call)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                transfer.whenEnded(continuation)
                let isOpen = state.withLock { state in
                    guard !state.isClosing else { return false }
                    state.arrived.append(transfer)
                    // A task that was cancelled before this has had its handler run already.
                    if Task.isCancelled { state.cancelled.insert(ObjectIdentifier(transfer)) }
                    return true
                }
                if isOpen {
                    curl_multi_wakeup(loop.multi)
                } else {
                    transfer.end(.failure(OutboundError(code: .cancelled, message: "The client is closed.")))
                }
            }
        } onCancel: {
            state.withLock { _ = $0.cancelled.insert(ObjectIdentifier(transfer)) }
            curl_multi_wakeup(loop.multi)
        }
    }

    /// Ends all calls, and the thread.
    public func close() async {
        await withCheckedContinuation { continuation in
            let isClosed = state.withLock { state in
                state.isClosing = true
                if !state.isClosed { state.whenClosed.append(continuation) }
                return state.isClosed
            }
            if isClosed { continuation.resume() } else { curl_multi_wakeup(loop.multi) }
        }
    }

    /// The thread's own work.
    private func run() {
        host_name_thread("http-client")
        var underWay: [OpaquePointer: Transfer] = [:]
        while true {
            let (arrived, cancelled, isClosing) = state.withLock { state in
                defer {
                    state.arrived = []
                    state.cancelled = []
                }
                return (state.arrived, state.cancelled, state.isClosing)
            }
            for transfer in arrived {
                underWay[OpaquePointer(transfer.handle)] = transfer
                curl_multi_add_handle(loop.multi, transfer.handle)
            }
            for transfer in underWay.values where isClosing || cancelled.contains(ObjectIdentifier(transfer)) {
                finish(
                    transfer, .failure(OutboundError(code: .cancelled, message: "The call was cancelled.")), &underWay)
            }
            if isClosing { break }
            var running: Int32 = 0
            curl_multi_perform(loop.multi, &running)
            var result = CURLE_OK
            while let handle = host_curl_next_ended(loop.multi, &result) {
                guard let transfer = underWay[OpaquePointer(handle)] else { continue }
                finish(transfer, transfer.outcome(result), &underWay)
            }
            curl_multi_poll(loop.multi, nil, 0, 1000, nil)
        }
        curl_multi_cleanup(loop.multi)
        let waiting = state.withLock { state in
            state.isClosed = true
            return state.whenClosed
        }
        for continuation in waiting { continuation.resume() }
    }

    private func finish(
        _ transfer: Transfer, _ outcome: Result<HTTPReply, OutboundError>, _ underWay: inout [OpaquePointer: Transfer]
    ) {
        curl_multi_remove_handle(loop.multi, transfer.handle)
        underWay[OpaquePointer(transfer.handle)] = nil
        transfer.end(outcome)
    }
}
