import Glibc
import TestSupport
import Testing

/// What scripts must not reach, though anybody on this machine could: a file, sockets with paths, one with a name, and
/// one of the network.
struct Bait: Sendable {
    static let needle = "needle"
    /// The files in ``folder``.
    static let names = ["datagram", "secret", "stream"]

    let folder: String
    /// The name of an abstract socket.
    let name: String
    let port: Int
    private let sockets: [Int32]

    var secret: String { "\(folder)/secret" }
    var stream: String { "\(folder)/stream" }
    var datagram: String { "\(folder)/datagram" }

    init() throws {
        var template = Array("/tmp/scriptorium-siege-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        name = "siege-\(folder.suffix(6))"
        chmod(folder, 0o777)
        let file = open("\(folder)/secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        defer { close(file) }
        try #require(write(file, Self.needle, Self.needle.utf8.count) == Self.needle.utf8.count)
        let stream = try Self.listen("\(folder)/stream", SOCK_STREAM)
        let datagram = try Self.listen("\(folder)/datagram", SOCK_DGRAM)
        let named = try Self.listen("\0\(name)", SOCK_DGRAM)
        for file in Self.names { chmod("\(folder)/\(file)", 0o666) }
        let internet = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(internet, $0, length) == 0 && Glibc.listen(internet, 16) == 0
                    && getsockname(internet, $0, &length) == 0
            }
        }
        try #require(isBound)
        port = Int(UInt16(bigEndian: address.sin_port))
        sockets = [stream, datagram, named, internet]
    }

    /// How many sockets somebody has reached.
    var visits: Int {
        var watched = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        return Int(poll(&watched, nfds_t(watched.count), 0))
    }

    func remove() {
        for socket in sockets { close(socket) }
        for name in Self.names { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    private static func listen(_ name: String, _ kind: __socket_type) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(kind.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.utf8.prefix(107)) }
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(2 + name.utf8.count)) == 0
            }
        }
        try #require(isBound && (kind != SOCK_STREAM || Glibc.listen(descriptor, 16) == 0))
        return descriptor
    }
}
