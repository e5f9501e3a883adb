import Crypto
import FoundationEssentials
import Glibc

/// The folder of an embedded server, held by one program at a time:
///
///     cluster/     PostgreSQL's own data directory, of the server's user
///     password     of the cluster's owner; ours, mode 0600
///     server.log   what the server says
///     lock         held while a program uses the folder
///     socket       the name of the folder with the Unix socket
struct ServerHome: Sendable {
    let folder: String
    private let lock: Int32

    var cluster: String { "\(folder)/cluster" }
    var log: String { "\(folder)/server.log" }
    private var passwordFile: String { "\(folder)/password" }
    private var socketNote: String { "\(folder)/socket" }

    /// Makes the folder, or finds another place when the server's user can not reach it.
    /// - Throws: where no place will do, or another program uses the folder.
    init(_ wanted: String, account: ServerAccount, progress: (String) -> Void) throws(DatabaseError) {
        let absolute = wanted.hasPrefix("/") ? wanted : "\(FileManager.default.currentDirectoryPath)/\(wanted)"
        let digest = SHA256.hash(data: Array(absolute.utf8)).prefix(8).map { String($0, radix: 16) }.joined()
        let elsewhere = account.isOther ? "/var/lib/scriptorium" : "/tmp/scriptorium-\(geteuid())"
        guard
            let place = Self.make(absolute, account: account)
                // First the folder above: in /tmp it might be somebody else's.
                ?? Self.make(elsewhere, account: account).flatMap({
                    Self.make("\($0.real)/\(digest)", account: account)
                })
        else {
            throw DatabaseError(.unavailable, "\(wanted) can not be made, or the user \(account.name) can not reach it")
        }
        if place.wanted != absolute {
            progress("the user \(account.name) can not reach or use \(absolute): the data is in \(place.real)")
        }
        folder = place.real
        lock = open("\(folder)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            if lock >= 0 { close(lock) }
            throw DatabaseError(
                .unavailable,
                "another program runs the PostgreSQL server in \(folder): end that one first, or use another folder")
        }
    }

    /// Gives the folder back. Nothing may be done with it after that.
    func release() {
        // A child that is being started has a copy of the descriptor until it runs its program, so closing is not enough.
        flock(lock, LOCK_UN)
        close(lock)
    }

    /// Nil where it can not be made, or the server's user can not reach it.
    private static func make(_ folder: String, account: ServerAccount) -> (wanted: String, real: String)? {
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard let resolved = realpath(folder, nil) else { return nil }
        defer { free(resolved) }
        let real = String(cString: resolved)
        var status = stat()
        guard account.canReach(real), stat(real, &status) == 0, status.st_uid == geteuid(),
            // The server's user passes through, and sees nothing but its cluster.
            chmod(real, account.isOther ? 0o711 : 0o700) == 0, access(real, W_OK) == 0
        else { return nil }
        return (folder, real)
    }

    /// The major version of the cluster; nil where there is none yet.
    var version: String? {
        FileManager.default.contents(atPath: "\(cluster)/PG_VERSION").map {
            String(decoding: $0, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
        }
    }

    // MARK: The cluster

    /// - Throws: where what should be a cluster is a part of one: nothing is done with it then.
    func check() throws(DatabaseError) {
        let isThere = access(cluster, F_OK) == 0
        if isThere, version == nil {
            throw Self.damaged("\(cluster) is not a whole PostgreSQL cluster: its file PG_VERSION is missing")
        }
        if isThere, access(passwordFile, R_OK) != 0 {
            throw Self.damaged("the cluster's password is missing: \(passwordFile)")
        }
    }

    private static func damaged(_ what: String) -> DatabaseError {
        DatabaseError(.unavailable, "\(what). Put it back, or start afresh without its data (--fresh)")
    }

    /// Makes the cluster. It appears under its name when it is complete, so that an interrupted attempt leaves none.
    func create(_ programs: ServerPrograms, account: ServerAccount, durable: Bool) throws {
        let draft = "\(folder)/cluster.new"
        let secret = "\(folder)/initdb.password"
        try? FileManager.default.removeItem(atPath: draft)
        guard mkdir(draft, 0o700) == 0, chown(draft, account.uid, account.gid) == 0 else { throw Self.failure(draft) }
        let password = Self.newPassword()
        try Self.write(password, to: passwordFile)
        try Self.write(password, to: secret)
        defer { unlink(secret) }
        guard chown(secret, account.uid, account.gid) == 0 else { throw Self.failure(secret) }
        let command = account.command(
            programs, deathSignal: "KILL",
            [
                programs.initdb, "--pgdata", draft, "--username", "scriptorium", "--pwfile", secret,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions",
            ] + (durable ? ["--data-checksums"] : ["--no-sync"]))
        if let failure = try ServerProcess(command, log: log).wait() {
            throw DatabaseError(.unavailable, "initdb \(failure): \(logTail)")
        }
        guard rename(draft, cluster) == 0 else { throw Self.failure(cluster) }
    }

    /// Puts a file into the cluster that only the server can read.
    func place(_ content: [UInt8], as name: String, account: ServerAccount) throws {
        let path = "\(cluster)/\(name)"
        try Self.write(content, to: path)
        guard chown(path, account.uid, account.gid) == 0 else { throw Self.failure(path) }
    }

    /// Throws the cluster away. Nobody may be using it.
    func removeCluster() throws {
        guard access(cluster, F_OK) == 0 else { return }
        do {
            try FileManager.default.removeItem(atPath: cluster)
        } catch {
            throw Self.failure(cluster)
        }
    }

    func password() throws -> String {
        guard let data = FileManager.default.contents(atPath: passwordFile) else { throw Self.failure(passwordFile) }
        return String(decoding: data, as: UTF8.self)
    }

    // MARK: The socket

    /// A short path (a socket's ends at 107 bytes) in a folder that nobody but the server's user and root can enter. It is
    /// the same at each start, so that an URL which somebody has noted stays good, unless a stranger has taken the name.
    func makeSocketFolder(account: ServerAccount) throws -> String {
        removeSocketFolder()
        for name in [try socketName, "scr-XXXXXX"] {
            for parent in ["/run", "/tmp"] {
                var path = "\(parent)/\(name)"
                if name.hasSuffix("XXXXXX") {
                    var template = Array(path.utf8CString)
                    guard mkdtemp(&template) != nil else { continue }
                    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
                } else {
                    guard mkdir(path, 0o700) == 0 else { continue }
                }
                guard chown(path, account.uid, account.gid) == 0 else { throw Self.failure(path) }
                try Self.write(path, to: socketNote)
                return path
            }
        }
        throw Self.failure("/tmp")
    }

    /// Tells this folder from every other, also from its copies and from those that others see at the same path.
    private var socketName: String {
        get throws {
            var status = stat()
            guard stat(folder, &status) == 0 else { throw Self.failure(folder) }
            let identity = "\(folder) \(status.st_dev) \(status.st_ino)"
            return "scr-" + Self.hexadecimal(SHA256.hash(data: Array(identity.utf8)).prefix(6))
        }
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
    }

    /// Also for one that a killed program has left.
    func removeSocketFolder() {
        guard let data = FileManager.default.contents(atPath: socketNote) else { return }
        let path = String(decoding: data, as: UTF8.self)
        if path.hasPrefix("/run/scr-") || path.hasPrefix("/tmp/scr-") {
            try? FileManager.default.removeItem(atPath: path)
        }
        unlink(socketNote)
    }

    // MARK: Files

    /// Keeps the log of the run before, and begins a new one.
    func turnLog() { rename(log, "\(log).1") }

    /// The last lines of the log.
    var logTail: String {
        let text = FileManager.default.contents(atPath: log).map { String(decoding: $0.suffix(2000), as: UTF8.self) }
        return (text ?? "").split(separator: "\n").suffix(4).joined(separator: " | ")
    }

    private static func newPassword() -> String {
        var random = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            let digits = String(random.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    private static func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

    /// Writes a file that only we can read.
    private static func write(_ bytes: [UInt8], to path: String) throws {
        unlink(path)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        guard Glibc.write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0 else { throw failure(path) }
    }

    private static func failure(_ path: String) -> DatabaseError {
        DatabaseError(.unavailable, "\(path): \(String(cString: strerror(errno)))")
    }
}
