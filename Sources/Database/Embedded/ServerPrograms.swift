import FoundationEssentials
import Glibc

/// Where the server's programs are.
struct ServerPrograms: Sendable {
    let postgres: String
    let initdb: String
    let setpriv: String

    /// Looks for the newest PostgreSQL of the distribution, then along PATH.
    /// - Parameter version: the major version of an existing cluster, which only its own server can run.
    static func find(version: String?) throws(DatabaseError) -> ServerPrograms {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map(
            String.init)
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        let packaged = versions.compactMap { Int($0) }.sorted(by: >).map { "/usr/lib/postgresql/\($0)/bin" }
        let found = (packaged + path).filter { isProgram("\($0)/postgres") && isProgram("\($0)/initdb") }
        guard let newest = found.first else {
            throw DatabaseError(
                .unavailable,
                "the programs of a PostgreSQL server were not found: install them (apt-get install postgresql)")
        }
        guard let setpriv = path.map({ "\($0)/setpriv" }).first(where: isProgram) else {
            throw DatabaseError(
                .unavailable, "the program setpriv was not found: install it (apt-get install util-linux)")
        }
        let matching = version.flatMap { version in found.first { $0 == "/usr/lib/postgresql/\(version)/bin" } }
        // Programs along PATH do not tell their version by their place: the server itself judges.
        if let version, matching == nil, newest.hasPrefix("/usr/lib/postgresql/") {
            throw DatabaseError(
                .unavailable,
                "the cluster was made by PostgreSQL \(version), which is not installed (apt-get install"
                    + " postgresql-\(version)); install it, or start afresh without its data (--fresh)")
        }
        let folder = matching ?? newest
        return ServerPrograms(postgres: "\(folder)/postgres", initdb: "\(folder)/initdb", setpriv: setpriv)
    }

    private static func isProgram(_ path: String) -> Bool { access(path, X_OK) == 0 }
}
