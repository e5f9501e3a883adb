import CLibPQ

/// One attempt to connect, for a program's start: it tells a wrong setting from a server that is away.
public enum ConnectionTrial: Sendable, Hashable {
    /// The server answers; its version as libpq counts it, such as 150018.
    case connected(version: Int32, lasting: Lasting)
    /// What is wrong will not mend itself: the URL, the password, the name of the role or the database.
    case refused(DatabaseError)
    /// Either a slip of the pen or trouble that passes: a host that has no address, a certificate that does not fit.
    case doubtful(DatabaseError)
    /// Nobody answers there, or the server is just starting.
    case away(DatabaseError)

    /// Tries once. Connecting takes up to five seconds.
    public static func run(url: String) async -> ConnectionTrial {
        do {
            return try await PosixThread.run("db-trial") {
                let link = try Link.open(LinkTarget(url: url, applicationName: "scriptorium-start", prepares: false))
                return .connected(version: link.serverVersion, lasting: try PoolerTrial.run(link, url: url))
            }
        } catch let error as DatabaseError {
            return judge(error)
        } catch {
            return .away(DatabaseError(.unavailable, "\(error)"))
        }
    }

    private static func judge(_ error: DatabaseError) -> ConnectionTrial {
        if error.code == .protocolMisuse { return .refused(error) }
        if error.code == .connectionLost { return .away(error) }
        if let state = error.sqlState {
            // Who it is, what they may, and a database that is not there.
            return state.hasPrefix("28") || ["3D000", "42501"].contains(state) ? .refused(error) : .away(error)
        }
        let text = error.message
        if text.contains("no password supplied") { return .refused(error) }
        if text.contains("could not translate host name") || text.contains("certificate")
            || text.contains("does not support SSL")
        {
            return .doubtful(error)
        }
        // Before it dials, libpq complains of the options themselves.
        let hasDialled = text.hasPrefix("connection to server") || text == Link.silence
        return hasDialled ? .away(error) : .refused(error)
    }
}
