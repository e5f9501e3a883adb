import Core
import Glibc
import Outbound
import TestSupport
import Testing

/// In the original a script's calls went, with its credentials, to whatever host its caller had named.
@Suite struct ForgedHostTests {
    /// A port of this machine that somebody listens at, and that nobody may call.
    private final class Ear: Sendable {
        let port: UInt16
        private let socket: Int32

        init() throws {
            socket = Glibc.socket(
                AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let socket = socket
            let isListening = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, length) == 0 && listen(socket, 5) == 0 && getsockname(socket, $0, &length) == 0
                }
            }
            guard isListening else { throw NeverHappened(description: "no port to listen at: errno \(errno)") }
            port = UInt16(bigEndian: address.sin_port)
        }

        deinit { close(socket) }

        /// Whether somebody has called.
        var hasHeard: Bool { accept(socket, nil, nil) >= 0 }
    }

    @Test(arguments: [
        ("nodejs", "return platform.api.get('echo').then((r) => ({code: r.statusCode, body: JSON.parse(r.body)}));"),
        ("python3", "r = platform.api.get('echo')\nreturn {'code': r.status, 'body': json.loads(r.read())}"),
        ("php", "$r = $platform['api']->get('echo'); return ['code' => $r['status_code'], 'body' => $r['content']];"),
    ])
    func aForgedHostReceivesNothing(language: String, source: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        let ear = try Ear()
        try await tenant.save("echo", "nodejs", "return {echo: 1};")
        try await tenant.save("caller", language, source)
        let reply = try await tenant.send(
            "GET", "/api/v2/caller", headers: [(name: "Host", value: "127.0.0.1:\(ear.port)")])
        #expect(reply.text == #"{"code":200,"body":{"echo":1}}"#)
        #expect(!ear.hasHeard)
    }
}
