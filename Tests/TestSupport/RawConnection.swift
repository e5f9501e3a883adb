import Glibc

/// A connection that sends exactly the bytes it is told to, right or wrong.
public final class RawConnection {
    private let socket: Int32
    private var received: [UInt8] = []
    private var hasEnded = false

    /// What went wrong with the socket.
    public struct Failure: Error {
        public let errno: Int32
    }

    /// - Parameters:
    ///   - url: `http://127.0.0.1:PORT`
    ///   - room: how much the system keeps that was not read, in bytes; nil leaves that to it.
    public init(_ url: String, room: Int32? = nil) throws {
        let port = UInt16(url.split(separator: ":").last ?? "") ?? 0
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if var room { setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &room, 4) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0, fcntl(socket, F_SETFL, O_NONBLOCK) == 0 else { throw Failure(errno: errno) }
    }

    deinit { close(socket) }

    /// Sends as much as the other side takes.
    /// - Returns: how many bytes that was; 0 where the connection is broken.
    @discardableResult public func send(_ bytes: some Sequence<UInt8>) -> Int {
        let bytes = Array(bytes)
        return max(0, Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)))
    }

    @discardableResult public func send(_ text: String) -> Int { send(text.utf8) }

    /// This side's port.
    public var port: UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &size) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    /// Ends this side; the other may still speak.
    public func endSending() { shutdown(socket, Int32(SHUT_WR)) }

    /// Everything that has come, once `condition` holds for it or the other side has ended.
    public func text(
        _ what: String, within limit: Duration = .seconds(30), until condition: (String) -> Bool
    ) async throws -> String {
        try await eventually(what, within: limit) {
            receive()
            return hasEnded || condition(String(decoding: received, as: UTF8.self))
        }
        return String(decoding: received, as: UTF8.self)
    }

    /// Everything that came until the other side has ended the connection.
    public func all(within limit: Duration = .seconds(30)) async throws -> String {
        try await text("the connection ends", within: limit) { _ in false }
    }

    /// Whether the other side has ended the connection.
    public var isEnded: Bool {
        receive()
        return hasEnded
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !hasEnded {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            if count <= 0 { hasEnded = true } else { received += buffer.prefix(count) }
        }
    }
}
