import CHost
import Glibc
import Synchronization

/// A file descriptor that is ours to close.
final class Descriptor: Sendable {
    private let value: Atomic<Int32>

    /// Takes ownership of `number`.
    init(_ number: Int32) {
        value = Atomic(number)
    }

    deinit { close() }

    /// -1 once it is closed.
    var number: Int32 { value.load(ordering: .relaxed) }

    var isOpen: Bool { number >= 0 }

    func close() {
        let number = value.exchange(-1, ordering: .relaxed)
        if number >= 0 { _ = Glibc.close(number) }
    }

    /// Makes reading and writing return at once. The other end of a pair or pipe is not concerned.
    func makeNonBlocking() {
        _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
    }

    /// Two connected sockets: ours, which does not block, and the one for another process.
    static func socketPair(_ type: __socket_type) throws(ExecutionError) -> (ours: Descriptor, theirs: Descriptor) {
        var ends: [Int32] = [-1, -1]
        guard host_socketpair(Int32(type.rawValue), &ends) == 0 else {
            throw ExecutionError(.system, "can not make a socket", errno: errno)
        }
        let ours = Descriptor(ends[0])
        ours.makeNonBlocking()
        return (ours, Descriptor(ends[1]))
    }

    /// A pipe whose reading end is ours and does not block.
    static func pipe() throws(ExecutionError) -> (ours: Descriptor, theirs: Descriptor) {
        var ends: [Int32] = [-1, -1]
        guard host_pipe(&ends) == 0 else {
            throw ExecutionError(.system, "can not make a pipe", errno: errno)
        }
        let ours = Descriptor(ends[0])
        ours.makeNonBlocking()
        return (ours, Descriptor(ends[1]))
    }
}
