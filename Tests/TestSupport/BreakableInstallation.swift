import Core
import Database
import Glibc
import Logging

/// An installation of a test's own, whose parts the test breaks: a PostgreSQL, and ingresses and workers as processes.
public actor BreakableInstallation {
    /// For calls and tenants. An ingress that was started again has its address again.
    public nonisolated let installation: TestInstallation
    /// Straight to the server, as its owner.
    public nonisolated let databaseURL: String

    /// What every process is started with.
    public nonisolated let environment: [String: String]
    private let ports: [Int]
    private let serverOptions: EmbeddedPostgresOptions
    private var server: EmbeddedPostgres
    private var programs: [String: TestProgram] = [:]
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Starts all of it.
    /// - Parameters:
    ///   - settings: beside those that every installation has.
    ///   - server: the server's options; nil: as every installation has it.
    ///   - reach: by what settings the processes reach the server's URL; it may prepare the server for them.
    public init(
        ingresses: Int = 2, workers: Int = 2, settings: [String: String] = [:], server: EmbeddedPostgresOptions? = nil,
        reach: (String) async throws -> [String: String] = { ["SCRIPTORIUM_DATABASE_URL": $0] }
    ) async throws {
        serverOptions = server ?? EmbeddedPostgresOptions(dataDirectory: TestFolder.path(for: "breakable"))
        self.server = try await EmbeddedPostgres.start(serverOptions, logger: Self.logger)
        databaseURL = self.server.url
        environment = [
            "SCRIPTORIUM_SECRET_KEY": SecretKeyRing.generate(),
            "SCRIPTORIUM_OPERATOR_TOKEN": TestInstallation.operatorToken,
            "SCRIPTORIUM_WORKER_CONCURRENCY": "4",
        ].merging(settings) { $1 }.merging(try await reach(databaseURL)) { $1 }
        ports = try (0..<ingresses).map { _ in try freePort() }
        installation = TestInstallation(
            ingresses: ports.map { "http://127.0.0.1:\($0)" }, environment: environment)
        guard try await run(["migrate"]).code == 0 else { throw NeverHappened(description: "no migrations") }
        let names = (0..<ingresses).map { "ingress \($0)" } + (0..<workers).map { "worker \($0)" }
        for name in names { try await launch(name) }
        for name in names { try await ready(name) }
    }

    /// A process by its name: `ingress 0`, `worker 1`.
    public func program(_ name: String) throws -> TestProgram {
        guard let program = programs[name] else { throw NeverHappened(description: "no \(name)") }
        return program
    }

    /// Starts a process, again perhaps, and waits until it serves.
    /// - Parameter settings: beside those of all.
    public func start(_ name: String, settings: [String: String] = [:]) async throws {
        try await launch(name, settings)
        try await ready(name)
    }

    /// Ends a process gracefully.
    public func stop(_ name: String) async throws {
        let program = try program(name)
        program.signal(SIGTERM)
        guard try await program.end() == 0 else {
            throw NeverHappened(description: "\(name) did not end well: \(program.text.suffix(2000))")
        }
    }

    /// Those that have ended, by their names, with what they said last.
    public var ended: [String] {
        programs.filter { $0.value.status != nil }.map { "\($0.key): \($0.value.text.suffix(500))" }
    }

    /// Ends the server as a power cut would.
    public func crashServer() async { await server.crash() }

    public func startServer() async throws {
        server = try await EmbeddedPostgres.start(serverOptions, logger: Self.logger)
    }

    /// Lets the server and all its backends stand still.
    public func freezeServer() { for pid in serverProcesses() { kill(pid, SIGSTOP) } }

    public func thawServer() { for pid in serverProcesses() { kill(pid, SIGCONT) } }

    /// Runs a statement as the server's owner, on a connection of its own that leads straight there.
    public nonisolated func query(
        _ statement: Statement, _ parameters: [any PostgresEncodable] = []
    ) async throws -> [Row] {
        try await withDatabase { try await $0.system.execute(statement, parameters) }
    }

    private nonisolated func withDatabase<T: Sendable>(
        _ body: @escaping @Sendable (Database) async throws -> T
    ) async throws -> T {
        let database = Database(
            DatabaseOptions(url: databaseURL, connections: 1, applicationName: "test"), logger: Self.logger)
        let result = await Task { try await body(database) }.result
        await database.close()
        return try result.get()
    }

    /// Ends sessions of the programs as an administrator would, each with this probability.
    /// - Returns: how many.
    public nonisolated func killBackends(_ share: Double) async throws -> Int {
        let statement = Statement(
            "kill_backends",
            """
            select count(pg_terminate_backend(pid)) from pg_stat_activity
            where datname = current_database() and application_name like 'scriptorium%' and random() < $1::float8
            """)
        return try await query(statement, [share]).first?.decode(Int.self) ?? 0
    }

    /// Which worker runs a job: its process.
    public nonisolated func runner(of job: String) async throws -> pid_t? {
        let statement = Statement(
            "runner",
            "select w.name from run r join worker w on w.id = r.worker where r.id = $1::text::uuid")
        guard let name = try await query(statement, [job]).first?.decode(String.self) else { return nil }
        return name.split(separator: ":").last.flatMap { pid_t($0) }
    }

    /// Returns when a worker has been given up by the others.
    public nonisolated func awaitGivingUp(_ worker: pid_t) async throws {
        let statement = Statement(
            "given_up", "select count(*) from worker where split_part(name, ':', -1) = $1::integer::text")
        try await withDatabase { database in
            try await eventually("the worker is given up", within: .seconds(60)) {
                try await database.system.execute(statement, [worker]).first?.decode(Int.self) == 0
            }
        }
    }

    /// The name of the process with this id.
    public func name(of pid: pid_t) -> String? { programs.first { $0.value.pid == pid }?.key }

    /// The audit's complaints: empty where it has none.
    public func audit() async throws -> String {
        let (code, text) = try await run(["fsck"])
        return code == 0 ? "" : text
    }

    /// Runs a command to its end.
    public nonisolated func run(_ arguments: [String]) async throws -> (code: Int32?, text: String) {
        let program = try await TestProgram(arguments, environment: environment)
        let code = try await program.end()
        return (code, program.text)
    }

    /// Ends everything.
    public func close() async throws {
        for program in programs.values where program.status == nil {
            program.signal(SIGCONT)
            program.signal(SIGKILL)
        }
        for program in programs.values { _ = try await program.end() }
        await server.crash()
    }

    private func launch(_ name: String, _ settings: [String: String] = [:]) async throws {
        let parts = name.split(separator: " ")
        var environment = environment.merging(settings) { $1 }
        if parts[0] == "ingress" { environment["SCRIPTORIUM_PORT"] = "\(ports[Int(parts[1]) ?? 0])" }
        programs[name] = try await TestProgram([String(parts[0])], environment: environment)
    }

    private func ready(_ name: String) async throws { _ = try await program(name).line(after: "ready ") }

    /// The postmaster and its children.
    private func serverProcesses() -> [pid_t] {
        guard let postmaster = server.processID else { return [] }
        return [postmaster] + Processes.children(of: postmaster)
    }
}

/// What runs on this machine.
public enum Processes {
    public static func children(of parent: pid_t) -> [pid_t] { all.filter { self.parent(of: $0) == parent } }

    /// All that descend from a process.
    public static func descendants(of parent: pid_t) -> [pid_t] {
        let children = children(of: parent)
        return children + children.flatMap { descendants(of: $0) }
    }

    /// Whether a process is there; one that nobody has reaped yet is not.
    public static func isAlive(_ pid: pid_t) -> Bool {
        guard let state = fields(of: pid)?.first else { return false }
        return state != "Z"
    }

    /// Those with a name, as the kernel knows it: 15 bytes at most.
    public static func named(_ name: String) -> [pid_t] {
        all.filter { pid in
            guard let file = fopen("/proc/\(pid)/comm", "r") else { return false }
            defer { fclose(file) }
            var buffer = [CChar](repeating: 0, count: 64)
            return fgets(&buffer, 64, file) != nil
                && buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)) == Array("\(name)\n".utf8)
        }
    }

    private static var all: [pid_t] {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var found: [pid_t] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let pid = pid_t(name) { found.append(pid) }
        }
        return found
    }

    private static func parent(of pid: pid_t) -> pid_t? {
        guard let fields = fields(of: pid), fields.count > 1 else { return nil }
        return pid_t(fields[1])
    }

    /// What the kernel says of a process after its name: its state, its parent, and more.
    private static func fields(of pid: pid_t) -> [Substring]? {
        guard let file = fopen("/proc/\(pid)/stat", "r") else { return nil }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 1024)
        guard fgets(&buffer, 1024, file) != nil else { return nil }
        // The name of the program, in parentheses, may hold spaces.
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: end)...].split(separator: " ")
    }
}

/// A port of this machine that nobody listens on.
public func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { Glibc.close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard isBound else { throw NeverHappened(description: "no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
}
