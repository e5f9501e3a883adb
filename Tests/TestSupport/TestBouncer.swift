import Database
import FoundationEssentials
import Glibc

/// A PgBouncer before a server of a test, as a user without rights. Debian 12's has no prepared statements in transaction
/// mode.
public actor TestBouncer {
    /// Leads to the same database, through it.
    public nonisolated let url: String

    private let configuration: String
    private var program: TestProgram?
    private static let binary = "/usr/sbin/pgbouncer"

    /// Starts it.
    /// - Parameters:
    ///   - server: URL of the server, which has a Unix socket.
    ///   - poolSize: how many connections to the server it has at most.
    ///   - mode: when a connection to the server passes to another client: after each `transaction`, or `session`.
    public init(server: String, poolSize: Int, mode: String = "transaction") async throws {
        guard let parts = server.wholeMatch(of: /postgres:\/\/(\w+):(\w+)@\/(\w+)\?host=([^&]+)&port=(\d+)/) else {
            throw NeverHappened(description: "no such URL")
        }
        let (_, user, password, database, socket, port) = parts.output
        let folder = TestFolder.path(for: "bouncer")
        mkdir(folder, 0o755)
        let own = try freePort()
        url = "postgres://\(user):\(password)@127.0.0.1:\(own)/\(database)"
        configuration = "\(folder)/pgbouncer.ini"
        try Self.write(
            """
            [databases]
            * = host=\(socket) port=\(port)
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(own)
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = \(folder)/userlist.txt
            pool_mode = \(mode)
            default_pool_size = \(poolSize)
            max_client_conn = 500
            application_name_add_host = 1

            """, to: configuration)
        try Self.write("\"\(user)\" \"\(password)\"\n", to: "\(folder)/userlist.txt")
        try await start()
    }

    /// Starts it, at the same address again perhaps.
    public func start() async throws {
        // It refuses to run as root. Root's children end with the thread that started them only if that is said after the
        // change of the user.
        let account = geteuid() == 0 ? ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] : []
        let program = try await TestProgram(
            path: "/usr/bin/setpriv", account + ["--pdeathsig", "KILL", "--", Self.binary, configuration])
        self.program = program
        try await eventually("PgBouncer is up", within: .seconds(10)) {
            guard program.status == nil else { throw NeverHappened(description: "PgBouncer: \(program.text)") }
            return program.text.contains("process up")
        }
    }

    /// Ends it at once.
    public func kill() async throws {
        program?.signal(SIGKILL)
        _ = try await program?.end()
    }

    /// Only the user that it runs as can read it.
    private static func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        chmod(path, 0o600)
        guard geteuid() == 0 else { return }
        guard let account = getpwnam("postgres"), chown(path, account.pointee.pw_uid, account.pointee.pw_gid) == 0
        else { throw NeverHappened(description: "no user postgres") }
    }
}
