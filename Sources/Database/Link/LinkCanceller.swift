import CLibPQ
import Glibc

/// The key to stop what a connection runs, usable from another thread.
final class LinkCanceller: @unchecked Sendable {  // a PGcancel never changes and PQcancel may be called from any thread
    private let handle: OpaquePointer
    private let socket: Int32

    /// Nil when there is no memory or no connection.
    init?(_ link: OpaquePointer) {
        guard let handle = PQgetCancel(link) else { return nil }
        self.handle = handle
        socket = PQsocket(link)
    }

    deinit { PQfreeCancel(handle) }

    /// Blocks until the server has taken note: it opens a connection of its own.
    func cancel() {
        var message = [CChar](repeating: 0, count: 256)
        _ = PQcancel(handle, &message, Int32(message.count))
    }

    /// Ends the connection under whoever waits for its answer. Only while its link is known to be open: later the number
    /// means another socket.
    func cut() { _ = shutdown(socket, Int32(SHUT_RDWR)) }
}
