import Core
import Database
import FoundationEssentials
import Glibc
import Outbound

/// An installation whose worker lives in a network namespace of its own, with an Internet of the tests' own in it: servers
/// at public and at all other kinds of addresses, and a resolver (outside_world.py). Nothing leaves the machine.
public struct OutsideWorld: Sendable {
    public let installation: TestInstallation
    private let log: String
    private let programs: [TestProgram]

    /// Public as far as anybody can tell by the number. Each has servers at 80, 8080 and, for TLS as `tls.a-….test`, 443.
    public static let address = "9.9.9.9"
    public static let otherAddress = "8.7.6.5"
    public static let publicIPv6 = "2606:4700::1111"
    public static let publicURL = "http://public.a-1-2-3-4.test/base"

    /// Why there can be no such world here; nil where there can.
    public static let obstacle: String? = {
        if getuid() != 0 { return "network namespaces need root" }
        let tools = ["/usr/bin/unshare", "/usr/sbin/ip", "/usr/bin/mount", "/usr/bin/python3", "/usr/bin/openssl"]
        if let missing = tools.first(where: { access($0, X_OK) != 0 }) { return "\(missing) is missing" }
        if unshare(tools[0]) != 0 { return "the system gives no network namespace" }
        return nil
    }()

    private static func unshare(_ path: String) -> Int32 {
        var child: pid_t = 0
        let words: [String] = [path, "--net", "--mount", "true"]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for text in arguments { free(text) } }
        guard posix_spawn(&child, path, nil, nil, arguments + [nil], environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static let start = Task { try await OutsideWorld() }

    /// The world, made when the first test asks for it.
    public static func shared() async throws -> OutsideWorld { try await start.value }

    private init() async throws {
        let environment = [
            "SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(migrations: Migration.embedded),
            "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
            "SCRIPTORIUM_OPERATOR_TOKEN": TestInstallation.operatorToken,
            "SCRIPTORIUM_PORT": "0", "SCRIPTORIUM_WORKER_CONCURRENCY": "8",
            "SCRIPTORIUM_PUBLIC_URL": Self.publicURL,
        ]
        let folder = TestFolder.path(for: "world")
        mkdir(folder, 0o755)
        log = "\(folder)/seen"
        let authority = try await TestAuthority()
        let pair = try await authority.issue(for: "tls.a-9-9-9-9.test")
        try Data(pair.certificate + pair.key).write(to: URL(filePath: "\(folder)/server.pem"))
        try Data("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n".utf8)
            .write(to: URL(filePath: "\(folder)/resolv.conf"))
        let script = """
            set -e
            mount --make-rprivate /
            mount --bind \(folder)/resolv.conf "$(readlink -f /etc/resolv.conf)"
            mount --bind \(authority.certificate) "$(readlink -f /etc/ssl/certs/ca-certificates.crt)"
            ip link set lo up
            for address in \((Self.publicAddresses + Self.specialAddresses).joined(separator: " ")); do
                ip addr add $address dev lo
            done
            setpriv --pdeathsig KILL -- python3 \(Checkout.path("Tests/TestSupport/outside_world.py")) \
                \(folder)/seen \(folder)/server.pem &
            exec \(TestProgram.binary) worker
            """
        // What the environment says of proxies must not count.
        let proxies = ["http_proxy", "https_proxy", "ALL_PROXY"].map { ($0, "http://127.0.0.1:8080") }
        let worker = try await TestProgram(
            path: "/usr/bin/unshare", ["--net", "--mount", "/bin/sh", "-c", script],
            environment: environment.merging(proxies) { $1 })
        let ingress = try await TestProgram(["ingress"], environment: environment)
        programs = [worker, ingress]
        let url = try await ingress.line(after: "ready ")
        _ = try await worker.line(after: "ready ")
        installation = TestInstallation(ingresses: [url], environment: environment)
        try await eventually("the world is there: \(worker.text.suffix(2000))") { [log] in
            FileManager.default.contents(atPath: log)?.isEmpty == false
        }
    }

    private static let publicAddresses = ["\(address)/32", "\(otherAddress)/32", "1.2.3.4/32", "\(publicIPv6)/128"]

    /// One of each kind. Without the guard they would answer, as all of 127.0.0.0/8 does.
    private static let specialAddresses = [
        "10.0.0.5/32", "172.16.0.5/32", "192.168.0.5/32", "100.64.0.5/32", "169.254.169.254/32", "192.0.2.5/32",
        "198.18.0.5/32", "203.0.113.5/32", "240.0.0.5/32", "fd00::5/128", "2001:db8::5/128", "2001::5/128",
        "2002:7f00:1::/128", "64:ff9b::7f00:1/128", "64:ff9b::808:808/128", "fec0::5/128",
    ]

    /// What the servers of the world have seen so far, one object for each request.
    public func seen() throws -> [JSONText] {
        let text = FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return try text.split(separator: "\n").map { try JSONText(checking: String($0)) }
    }
}
