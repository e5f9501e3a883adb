import Glibc

/// The user that the server runs as: PostgreSQL refuses to run as root.
struct ServerAccount: Sendable {
    let name: String
    let uid: uid_t
    let gid: gid_t
    /// Another user than ours: we are root.
    let isOther: Bool

    static func choose() throws(DatabaseError) -> ServerAccount {
        guard geteuid() == 0 else {
            return ServerAccount(name: "uid \(geteuid())", uid: geteuid(), gid: getegid(), isOther: false)
        }
        for name in ["postgres", "nobody"] {
            if let (uid, gid) = lookUp(name) { return ServerAccount(name: name, uid: uid, gid: gid, isOther: true) }
        }
        throw DatabaseError(
            .unavailable, "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
    }

    private static func lookUp(_ name: String) -> (uid_t, gid_t)? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16384)
        guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return (entry.pw_uid, entry.pw_gid)
    }

    /// The command that runs `program` as this user, and ends it with `signal` when the thread that started it ends.
    func command(_ programs: ServerPrograms, deathSignal signal: String, _ program: [String]) -> [String] {
        let identity = isOther ? ["--reuid", "\(uid)", "--regid", "\(gid)", "--clear-groups"] : []
        return [programs.setpriv] + identity + ["--pdeathsig", signal, "--"] + program
    }

    /// Whether this user may pass through each folder above `path` (which need not exist itself).
    func canReach(_ path: String) -> Bool {
        var folder = path
        while let slash = folder.lastIndex(of: "/"), folder != "/" {
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
            var status = stat()
            guard stat(folder, &status) == 0 else { continue }
            let bit: mode_t = status.st_uid == uid ? 0o100 : status.st_gid == gid ? 0o010 : 0o001
            guard status.st_mode & bit != 0 else { return false }
        }
        return true
    }
}
