import Glibc
import Synchronization

/// A relay before a server's Unix socket that breaks the connections through it when a test wants that. Plain threads: it
/// must go on while everything else is stopped.
public final class CuttingRelay: Sendable {
    /// On 127.0.0.1.
    public let port: Int

    private struct Pair {
        let client: Int32
        let server: Int32
    }

    private struct State {
        var pairs: [Int: Pair] = [:]
        var next = 0
    }

    private let listener: Int32
    private let upstream: String
    private let state = Mutex(State())
    /// Whether what the server says is thrown away.
    private let isSwallowing = Atomic(false)
    private let cuts = Atomic(0)
    private let swallowed = Atomic(0)

    /// - Parameter upstream: the path of the server's socket; it need not be there yet.
    public init(to upstream: String) throws {
        self.upstream = upstream
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        port = try Self.listen(listener)
        OwnThread.run { [self] in accept() }
    }

    /// How many connections were cut so far.
    public var cutConnections: Int { cuts.load(ordering: .relaxed) }

    /// How many pieces of what the server said were thrown away so far.
    public var swallowedAnswers: Int { swallowed.load(ordering: .relaxed) }

    /// Cuts every connection, wherever it is in what it says.
    public func cut() {
        state.withLock { state in
            for pair in state.pairs.values {
                cuts.add(1, ordering: .relaxed)
                // A reset, not an end.
                var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
                setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
                // Its thread sees this, closes both and forgets them.
                shutdown(pair.server, Int32(SHUT_RDWR))
            }
        }
    }

    /// From now on what is asked reaches the server and no answer comes back, until ``cutAfterSilence()``.
    public func swallowAnswers() { isSwallowing.store(true, ordering: .relaxed) }

    /// Cuts the connections whose answers were swallowed: nobody knows what became of what they had asked for.
    public func cutAfterSilence() {
        cut()
        isSwallowing.store(false, ordering: .relaxed)
    }

    /// Takes no more connections, and cuts those that there are.
    public func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        cut()
    }

    private static func listen(_ socket: Int32) throws -> Int {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && Glibc.listen(socket, 128) == 0
                    && getsockname(socket, $0, &length) == 0
            }
        }
        guard isListening else { throw NeverHappened(description: "no relay: \(String(cString: strerror(errno)))") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            if client < 0, [EINTR, ECONNABORTED, EMFILE].contains(errno) { continue }
            guard client >= 0 else {
                Glibc.close(listener)
                return
            }
            guard let server = connect() else {
                Glibc.close(client)
                continue
            }
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            var on: Int32 = 1
            setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
            let pair = Pair(client: client, server: server)
            let number = state.withLock { state in
                state.next += 1
                state.pairs[state.next] = pair
                return state.next
            }
            OwnThread.run { [self] in
                pass(pair)
                // Under the lock: a number must not be another file's while a cut has it.
                state.withLock { state in
                    state.pairs[number] = nil
                    Glibc.close(pair.client)
                    Glibc.close(pair.server)
                }
            }
        }
    }

    private func connect() -> Int32? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(upstream.utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(server, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            Glibc.close(server)
            return nil
        }
        return server
    }

    /// Both ways until one side ends.
    private func pass(_ pair: Pair) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var ends = [
                pollfd(fd: pair.client, events: Int16(POLLIN), revents: 0),
                pollfd(fd: pair.server, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ends, 2, -1) > 0 || errno == EINTR else { return }
            for (from, to) in [(ends[0], pair.server), (ends[1], pair.client)] where from.revents != 0 {
                let count = recv(from.fd, &buffer, buffer.count, 0)
                guard count > 0 else { return }
                if from.fd == pair.server, isSwallowing.load(ordering: .relaxed) {
                    swallowed.add(1, ordering: .relaxed)
                    continue
                }
                var sent = 0
                while sent < count {
                    let more = buffer.withUnsafeBytes {
                        Glibc.send(to, $0.baseAddress?.advanced(by: sent), count - sent, Int32(MSG_NOSIGNAL))
                    }
                    guard more > 0 || errno == EINTR else { return }
                    sent += max(0, more)
                }
            }
        }
    }
}
