/// A client for HTTP/1.1: one thread that runs libcurl's multi interface for all calls, with connections kept open
/// between them. It follows no redirects and uses no proxy, whatever the environment says.
///
/// Calls that tenants cause need a guard on the addresses that are dialled; this client has none and is for the
/// installation's own use. libcurl asks no guard about a connection that it uses again, so guarded calls need a client
/// of their own, not an option of this one.
public final class HTTPClient: Sendable {
    private let loop: TransferLoop

    /// - Parameter maxConnections: how many connections are open at once; further calls wait.
    public init(maxConnections: Int = 256) {
        loop = TransferLoop(maxConnections: maxConnections)
    }

    deinit {
        // Whoever forgets to close leaves no thread behind.
        loop.stop()
    }

    /// Sends a request. Cancelling the task ends the transfer.
    ///
    /// A connection that the server closed while it was kept open is replaced, and the request sent again, if nothing
    /// of an answer has come: as RFC 9112, 9.3.1 has it, but for any method.
    /// - Throws: ``OutboundError``
    public func send(_ call: HTTPCall) async throws -> HTTPReply {
        try await begin(try Transfer(call))
    }

    /// - Parameter pieces: where the body goes; nobody reading there ends the transfer too.
    /// - Returns: the whole answer, or its head where the body goes elsewhere.
    func begin(
        _ transfer: Transfer, ending pieces: AsyncThrowingStream<[UInt8], any Error>.Continuation? = nil
    ) async throws -> HTTPReply {
        pieces?.onTermination = { [loop] _ in loop.cancel(transfer) }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                transfer.whenEnded(continuation)
                loop.start(transfer)
            }
        } onCancel: {
            loop.cancel(transfer)
        }
    }

    /// Ends all calls, and returns when the thread is through. Later calls are refused.
    public func close() async {
        loop.stop()
        await loop.ended()
    }
}
