import FoundationEssentials
import Glibc

/// A certificate authority of a test's own, by openssl.
public struct TestAuthority: Sendable {
    /// The path of its certificate.
    public let certificate: String

    private let folder: String
    private static let name = "/CN=Authority of a test"

    public init() async throws {
        folder = TestFolder.path(for: "authority")
        mkdir(folder, 0o755)
        certificate = "\(folder)/authority.crt"
        try await Self.openssl(
            ["-subj", Self.name, "-keyout", "\(folder)/authority.key", "-out", certificate])
    }

    /// A certificate for a host and its key, in PEM.
    public func issue(for host: String) async throws -> (certificate: [UInt8], key: [UInt8]) {
        let paths = ["\(folder)/\(host).crt", "\(folder)/\(host).key"]
        try await Self.openssl([
            "-CA", certificate, "-CAkey", "\(folder)/authority.key", "-subj", "/CN=\(host)", "-addext",
            "subjectAltName=DNS:\(host)", "-out", paths[0], "-keyout", paths[1],
        ])
        let files = paths.compactMap { FileManager.default.contents(atPath: $0).map(Array.init) }
        guard files.count == 2 else { throw NeverHappened(description: "no certificate") }
        return (files[0], files[1])
    }

    private static func openssl(_ arguments: [String]) async throws {
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        let program = try await TestProgram(path: "/usr/bin/openssl", ["req", "-x509"] + key + arguments)
        guard try await program.end() == 0 else { throw NeverHappened(description: "openssl: \(program.text)") }
    }
}
