import CHost
import Core
import Database
import FoundationEssentials
import Glibc
import Synchronization

/// Another process of this program, for the time of a benchmark. It ends with this one, however that ends.
final class BenchProgram: Sendable {
    let pid: pid_t
    private let name: String
    private let output: String
    /// Stands for the process also after its end, when its id may be another one's.
    private let handle: Int32
    private let status: Exit
    private let thread: PosixThread

    private final class Exit: Sendable {
        let code = Mutex<Int32?>(nil)
    }

    /// Lends a process on loopback that has the settings of this one, but for its database, its keys and its ports.
    /// - Parameters:
    ///   - arguments: of `scriptorium`.
    ///   - changes: settings that are other than those; nil: not set.
    ///   - directory: for its settings and what it prints.
    static func lend<Result>(
        _ arguments: [String], _ settings: Settings, _ changes: [(Setting, String?)], in directory: String,
        _ body: (BenchProgram) async throws -> Result
    ) async throws -> Result {
        let file = "\(directory)/settings-\(UInt32.random(in: 0 ... .max))"
        var values: [String: String] = [:]
        for setting in Setting.all { values[setting.variable] = settings.text(setting) }
        let own: [(Setting, String?)] = [
            (.databaseURL, nil), (.listenURL, nil), (.secretKey, nil), (.operatorToken, nil), (.host, "127.0.0.1"),
            (.port, "0"), (.adminPort, nil), (.publicURL, nil), (.tenantDomain, nil), (.logLevel, "warning"),
            (.shutdownGrace, "2"),
        ]
        for (setting, value) in own + changes { values[setting.variable] = value }
        try PrivateFile.write(values.map { "\($0.key)=\($0.value)\n" }.sorted().joined(), to: file)
        let program = try await BenchProgram(arguments + ["--config", file], output: file + ".output")
        return try await cleaning(program.stop) { try await body(program) }
    }

    /// - Parameters:
    ///   - arguments: of `scriptorium`.
    ///   - output: the file that gets what it prints.
    private init(_ arguments: [String], output: String) async throws {
        let line = try [Self.setpriv(), "--pdeathsig", "TERM", "--", Self.own()] + arguments
        let status = Exit()
        let (started, start) = AsyncStream.makeStream(of: (pid: pid_t, handle: Int32).self)
        // Its parent is the thread, as far as its end with us is concerned: so the thread stays.
        thread = PosixThread("bench-program") {
            let pid = Self.spawn(line, output: output)
            start.yield((pid, pid > 0 ? host_pidfd(pid) : -1))
            guard pid > 0 else { return }
            var code: Int32 = 0
            while waitpid(pid, &code, 0) < 0, errno == EINTR {}
            status.code.withLock { $0 = code }
        }
        var process: (pid: pid_t, handle: Int32) = (-1, -1)
        for await found in started {
            process = found
            break
        }
        (pid, handle) = process
        (name, self.output, self.status) = (arguments.first ?? "", output, status)
        guard pid > 0, handle >= 0 else { throw BenchFailure(description: "'\(name)' can not be started") }
    }

    deinit { if handle >= 0 { close(handle) } }

    /// What it has printed so far.
    private var text: String {
        FileManager.default.contents(atPath: output).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Waits until it prints a line that begins so, and gives the rest of the line.
    /// - Throws: ``BenchFailure`` where it ends before or takes longer.
    func line(after prefix: String, within limit: Duration = .seconds(30)) async throws -> String {
        let clock = ContinuousClock()
        let end = clock.now + limit
        while true {
            let hasEnded = hasEnded
            if let line = text.split(separator: "\n").first(where: { $0.hasPrefix(prefix) }) {
                return String(line.dropFirst(prefix.count))
            }
            guard !hasEnded, clock.now < end else {
                throw BenchFailure(
                    description: "'scriptorium \(name)' \(hasEnded ? "has ended" : "is not ready in time"): "
                        + text.suffix(1000))
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private var hasEnded: Bool { status.code.withLock { $0 != nil } }

    /// - Throws: ``BenchFailure`` where it has ended meanwhile: what was measured is worth nothing then.
    func checkLife() throws {
        guard hasEnded else { return }
        throw BenchFailure(description: "'scriptorium \(name)' has ended meanwhile: \(text.suffix(1000))")
    }

    /// Ends it in good order, and by force where it takes longer than ten seconds. Cancellation does not shorten it.
    func stop() async {
        _ = host_pidfd_signal(handle, SIGTERM)
        let killer = Task { [handle] in
            try await Task.sleep(for: .seconds(10))
            _ = host_pidfd_signal(handle, SIGKILL)
        }
        await thread.finished()
        killer.cancel()
    }

    /// This program's own file.
    private static func own() throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    }

    private static func setpriv() throws -> String {
        let paths = ["/usr/bin/setpriv", "/bin/setpriv"]
        let found = paths.first { access($0, X_OK) == 0 }
        guard let found else {
            throw BenchFailure(
                description: "the program setpriv was not found: install it (apt-get install util-linux)")
        }
        return found
    }

    private static func spawn(_ line: [String], output: String) -> pid_t {
        let file = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { return -1 }
        defer { close(file) }
        let arguments = line.map { strdup($0) }
        // Its settings come in a file: nothing of our own environment, which may hold secrets and would win over them.
        let variables = [strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]
        defer { for text in arguments + variables { free(text) } }
        var child: pid_t = 0
        let failure = host_start_program(
            line[0], arguments.map { UnsafePointer($0) } + [nil], variables.map { UnsafePointer($0) } + [nil], file,
            &child)
        return failure == 0 ? child : -1
    }
}
