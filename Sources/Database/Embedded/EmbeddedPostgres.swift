import Glibc
import Logging
import ServiceLifecycle
import Synchronization

/// A PostgreSQL server of our own, for `dev` and for tests. It ends when this program does, however that happens.
public final class EmbeddedPostgres: Service, Sendable {
    /// Leads to the database `scriptorium` as the owner of the cluster, through a Unix socket. Secret: holds the password.
    public let url: String

    private let home: ServerHome
    private let supervisor: ServerSupervisor
    private let isReleased = Mutex(false)

    private init(url: String, home: ServerHome, supervisor: ServerSupervisor) {
        self.url = url
        self.home = home
        self.supervisor = supervisor
    }

    /// Makes the cluster where there is none, ends a server that was left behind, and starts one. Returns when it answers.
    /// - Parameter progress: gets a line for what takes long or is not as asked.
    /// - Throws: `DatabaseError.Code.unavailable`, in one sentence why.
    public static func start(
        _ options: EmbeddedPostgresOptions, logger: Logger, progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> EmbeddedPostgres {
        let server = try await PosixThread.run("postgres-start") { try launch(options, logger, progress) }
        do {
            try await server.answer(within: options.startLimit, progress)
            return server
        } catch {
            await server.stop(.immediate)
            throw error
        }
    }

    /// Keeps the server until graceful shutdown or cancellation, then stops it.
    public func run() async throws {
        try? await gracefulShutdown()
        await stop()
    }

    /// Stops the server; what is committed stays. Once is enough.
    public func stop() async { await stop(.fast) }

    private func stop(_ how: ServerSupervisor.Stop) async {
        await supervisor.stop(how)
        release()
    }

    /// Stops the server at once, as a power cut would end it: for tests.
    package func crash() async { await stop(.immediate) }

    /// Stops the server at once and blocks until it is gone: for exit handlers of tests.
    package func halt() {
        supervisor.stopBlocking(.immediate)
        release()
    }

    /// The process id of the postmaster, while it runs.
    package var processID: Int32? { supervisor.process }

    private func release() {
        let isFirst = isReleased.withLock { isReleased in
            defer { isReleased = true }
            return !isReleased
        }
        guard isFirst else { return }
        home.removeSocketFolder()
        home.release()
    }

    // MARK: Start

    private static func launch(
        _ options: EmbeddedPostgresOptions, _ logger: Logger, _ progress: (String) -> Void
    ) throws -> EmbeddedPostgres {
        let account = try ServerAccount.choose()
        let home = try ServerHome(options.dataDirectory, account: account, progress: progress)
        do {
            if options.fresh {
                try ServerLeftovers(cluster: home.cluster).end(progress)
                try home.removeCluster()
            }
            try home.check()
            let programs = try ServerPrograms.find(version: home.version)
            home.turnLog()
            if home.version == nil {
                progress("creating a PostgreSQL cluster in \(home.folder)")
                try home.create(programs, account: account, durable: options.durable)
            }
            try ServerLeftovers(cluster: home.cluster).end(progress)
            for (name, content) in options.files { try home.place(content, as: name, account: account) }
            let socket = try home.makeSocketFolder(account: account)
            let port = options.port ?? 5432
            let settings = Self.settings(options, socket: socket, port: port)
            let command = account.command(
                programs, deathSignal: "QUIT",
                [programs.postgres, "-D", home.cluster] + settings.flatMap { ["-c", "\($0)=\($1)"] })
            let password = try home.password()
            return EmbeddedPostgres(
                url: "postgres://scriptorium:\(password)@/scriptorium?host=\(socket)&port=\(port)", home: home,
                supervisor: ServerSupervisor(command, home: home, logger: logger))
        } catch {
            home.removeSocketFolder()
            home.release()
            throw error
        }
    }

    private static func settings(
        _ options: EmbeddedPostgresOptions, socket: String, port: Int
    ) -> [(String, String)] {
        [
            ("unix_socket_directories", socket), ("port", "\(port)"),
            ("listen_addresses", options.port == nil ? "" : "127.0.0.1"),
            ("max_connections", "200"), ("shared_buffers", "128MB"),
            // A log without the values of a tenant's rows and without statements.
            ("log_error_verbosity", "terse"), ("log_min_error_statement", "panic"),
            ("timezone", "UTC"), ("log_timezone", "UTC"),
        ]
            + (options.durable
                ? [] : [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")])
            + options.settings.map { ($0, $1) }
    }

    /// Waits until the server answers, and makes the database.
    private func answer(within limit: Duration, _ progress: @escaping @Sendable (String) -> Void) async throws {
        let isCancelled = Flag()
        try await withTaskCancellationHandler {
            try await PosixThread.run("postgres-ready") { [self] in
                let target = LinkTarget(
                    url: url.replacing("@/scriptorium?", with: "@/postgres?"), applicationName: "scriptorium-start")
                let start = Moment.now
                var isAnnounced = false
                while true {
                    do {
                        try makeDatabase(try Link.open(target) { isCancelled.value.load(ordering: .relaxed) })
                        return
                    } catch let error as DatabaseError where [.unavailable, .connectionLost].contains(error.code) {
                        if isCancelled.value.load(ordering: .relaxed) { throw CancellationError() }
                        guard error.sqlState != "28P01" else {
                            throw DatabaseError(
                                .unavailable,
                                "the password in \(home.folder) is not the cluster's: put the right one back, or start"
                                    + " afresh without its data (--fresh)")
                        }
                        guard supervisor.deaths == 0 else {
                            throw DatabaseError(.unavailable, "PostgreSQL does not start: \(home.logTail)")
                        }
                        guard Moment.now < start + limit else {
                            throw DatabaseError(
                                .unavailable, "PostgreSQL does not answer within \(limit): \(error.message)")
                        }
                        if !isAnnounced, Moment.now > start + .seconds(2) {
                            isAnnounced = true
                            progress("waiting for PostgreSQL to recover")
                        }
                        poll(nil, 0, 20)
                    }
                }
            }
        } onCancel: {
            isCancelled.value.store(true, ordering: .relaxed)
        }
    }

    private final class Flag: Sendable {
        let value = Atomic(false)
    }

    private static let find = Statement(
        "find_database", "select exists (select from pg_database where datname = 'scriptorium')")

    private func makeDatabase(_ link: Link) throws {
        let exists = try link.run(Self.find, []).rows.first?.decode(Bool.self) ?? false
        if !exists { try link.command("CREATE DATABASE scriptorium") }
    }
}
