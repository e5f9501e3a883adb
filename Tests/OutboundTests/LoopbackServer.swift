import Glibc
import Synchronization

/// A request as it came over the wire.
struct ReceivedRequest: Sendable {
    /// The request line and the header lines.
    var head: [String]
    var body: [UInt8]

    var method: String { word(0) }
    /// The request's target: path and query.
    var target: String { word(1) }

    private func word(_ index: Int) -> String {
        let words = head.first?.split(separator: " ") ?? []
        return index < words.count ? String(words[index]) : ""
    }
}

/// An HTTP server on 127.0.0.1 that says exactly the bytes it is told to, right or wrong; a thread for each connection.
final class LoopbackServer: Sendable {
    /// What the server sees, in order.
    enum Event: Sendable, Equatable {
        case requested(String)
        /// The other side closed its connection.
        case hungUp
    }

    typealias Answer = @Sendable (ReceivedRequest, Connection) -> Void

    private struct State {
        /// The sockets of the connections that are open.
        var open: Set<Int32> = []
        var accepted = 0
        var isStopped = false
    }

    let port: UInt16
    let events: AsyncStream<Event>
    private let listener: Int32
    private let state = Mutex(State())
    private let saw: AsyncStream<Event>.Continuation
    private let answer: Answer

    /// - Parameter answer: writes what is answered; called on the connection's thread.
    init(_ answer: @escaping Answer) throws {
        self.answer = answer
        (events, saw) = AsyncStream.makeStream()
        (listener, port) = try Socket.bound()
        guard listen(listener, 1024) == 0 else { throw Socket.Failure(errno: errno) }
        startThread { [self] in acceptAll() }
    }

    var url: String { "http://127.0.0.1:\(port)" }
    /// How many connections were made so far.
    var accepted: Int { state.withLock { $0.accepted } }

    /// Ends all connections, and the threads.
    func stop() {
        state.withLock { state in
            state.isStopped = true
            for socket in state.open { shutdown(socket, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
        saw.finish()
    }

    private func acceptAll() {
        while case let socket = accept(listener, nil, nil), socket >= 0 {
            let number: Int? = state.withLock { state in
                guard !state.isStopped else { return nil }
                state.open.insert(socket)
                state.accepted += 1
                return state.accepted
            }
            guard let number else {
                close(socket)
                break
            }
            startThread { [self] in
                serve(Connection(socket: socket, number: number))
                // Closed under the lock: `stop` must not shut down a number that is someone else's by then.
                state.withLock { state in
                    state.open.remove(socket)
                    close(socket)
                }
            }
        }
        close(listener)
    }

    private func serve(_ connection: Connection) {
        while let request = connection.nextRequest() {
            saw.yield(.requested(request.target))
            answer(request, connection)
        }
        saw.yield(.hungUp)
    }
}

/// One connection of a ``LoopbackServer``. Its own thread alone uses it.
final class Connection {
    let socket: Int32
    /// Counted from 1 for each server.
    let number: Int
    private var pending: [UInt8] = []

    init(socket: Int32, number: Int) {
        self.socket = socket
        self.number = number
    }

    /// Whole requests only; nil at the connection's end.
    func nextRequest() -> ReceivedRequest? {
        var head: [String] = []
        while let line = nextLine() {
            guard line.isEmpty else {
                head.append(line)
                continue
            }
            let length = head.lazy.compactMap { line -> Int? in
                let line = line.lowercased()
                guard line.hasPrefix("content-length: ") else { return nil }
                return Int(line.dropFirst(16))
            }.first
            guard let body = take(length ?? 0) else { return nil }
            return ReceivedRequest(head: head, body: body)
        }
        return nil
    }

    /// Waits until the other side closes.
    func waitForHangUp() { while receive() {} }

    /// Ends the connection after what was sent.
    func hangUp() { shutdown(socket, Int32(SHUT_RDWR)) }

    /// - Returns: whether the other side still takes it.
    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// A whole answer; the header X-Connection tells which connection it came over.
    func reply(_ body: [UInt8] = [], status: String = "200 OK", headers: [String] = []) {
        let lines = ["HTTP/1.1 \(status)", "Content-Length: \(body.count)", "X-Connection: \(number)"] + headers
        send(Array(lines.joined(separator: "\r\n").utf8) + Array("\r\n\r\n".utf8) + body)
    }

    private func nextLine() -> String? {
        var searched = 0
        while true {
            // A handshake of TLS begins with 22, and no line of HTTP does: plain nonsense answers it.
            if pending.first == 22 {
                send("This is no TLS.\r\n")
                return nil
            }
            if let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = pending[..<end]
                pending.removeFirst(end + 1)
                return String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
            }
            searched = pending.count
            guard receive() else { return nil }
        }
    }

    private func take(_ count: Int) -> [UInt8]? {
        while pending.count < count { guard receive() else { return nil } }
        defer { pending.removeFirst(count) }
        return Array(pending[..<count])
    }

    private func receive() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        pending += buffer[..<count]
        return true
    }
}

enum Socket {
    struct Failure: Error {
        var errno: Int32
    }

    /// A socket with a free port of 127.0.0.1, where nobody listens yet.
    static func bound() throws -> (socket: Int32, port: UInt16) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Failure(errno: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(socket, address, length) == 0 && getsockname(socket, address, &length) == 0
            }
        }
        guard result else {
            defer { close(socket) }
            throw Failure(errno: errno)
        }
        return (socket, UInt16(bigEndian: address.sin_port))
    }
}

/// Runs blocking work outside the cooperative pool.
private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let failure = pthread_create(
        &thread, nil,
        { argument in
            if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Start(body)).toOpaque())
    precondition(failure == 0, "the system gives no more threads (\(failure))")
    pthread_detach(thread)
}
