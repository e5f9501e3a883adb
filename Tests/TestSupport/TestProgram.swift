import CHost
import FoundationEssentials
import Glibc
import Synchronization

/// A process of the program under test, as a user would start it. It dies with the test process, however that ends.
public final class TestProgram: Sendable {
    public let pid: pid_t
    private let output: String
    private let ended = Mutex<Int32?>(nil)

    /// The test runner is the toolchain's own; the bundle, which is a program as well, is among its arguments.
    public static let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]

    /// The programs stand beside the test bundle.
    public static let binary: String = {
        let folder = bundle.split(separator: "/").dropLast().joined(separator: "/")
        return (bundle.hasPrefix("/") ? "/" : "") + folder + "/scriptorium"
    }()

    /// Whether any user of this machine could start them.
    public static let isForEverybody: Bool = {
        guard let resolved = realpath(bundle, nil) else { return false }
        defer { free(resolved) }
        let names = String(cString: resolved).split(separator: "/")
        return names.indices.allSatisfy { index in
            var about = stat()
            let path = "/" + names[...index].joined(separator: "/")
            return stat(path, &about) == 0 && about.st_mode & S_IXOTH != 0
        }
    }()

    /// - Parameters:
    ///   - arguments: of `scriptorium`.
    ///   - environment: the whole of it, beside PATH.
    public convenience init(_ arguments: [String], environment: [String: String] = [:]) async throws {
        try await self.init(path: Self.binary, arguments, environment: environment)
    }

    public init(path: String, _ arguments: [String], environment: [String: String] = [:]) async throws {
        let output = "\(TestFolder.path)/output-\(UInt64.random(in: 0 ... .max))"
        self.output = output
        let variables = environment.merging(["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"]) { given, _ in given }
        // The parent that counts for the death signal is the thread, so the thread stays until the program has ended.
        let line = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", path] + arguments
        let (started, start) = AsyncStream.makeStream(of: Int32.self)
        let (finished, finish) = AsyncStream.makeStream(of: Int32.self)
        OwnThread.run {
            let child = spawn(line, variables.map { "\($0.key)=\($0.value)" }, output: output)
            start.yield(child)
            guard child > 0 else { return }
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
            finish.yield(status)
            finish.finish()
        }
        var iterator = started.makeAsyncIterator()
        pid = await iterator.next() ?? -1
        guard pid > 0 else { throw NeverHappened(description: "\(path) can not be started") }
        // It ends with the process: nobody has to wait for it.
        Task { [self] in
            for await status in finished { ended.withLock { $0 = status } }
        }
    }

    /// What the program has printed so far, on stdout and stderr.
    public var text: String {
        FileManager.default.contents(atPath: output).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The raw wait status; nil while it runs.
    public var status: Int32? { ended.withLock { $0 } }

    /// The exit code; nil while it runs and where a signal ended it.
    public var exitCode: Int32? { status.flatMap { $0 & 0x7F == 0 ? ($0 >> 8) & 0xFF : nil } }

    public func signal(_ number: Int32) { kill(pid, number) }

    /// Waits until a line begins with this text, and gives the rest of it.
    public func line(after prefix: String, within limit: Duration = .seconds(60)) async throws -> String {
        var found: String?
        try await eventually("the program prints '\(prefix)': \(text.suffix(2000))", within: limit) {
            found = text.split(separator: "\n").first { $0.hasPrefix(prefix) }.map {
                String($0.dropFirst(prefix.count))
            }
            guard found != nil || status == nil else {
                throw NeverHappened(description: "the program has ended: \(text.suffix(2000))")
            }
            return found != nil
        }
        return found ?? ""
    }

    /// Waits for the end, and gives the exit code; nil where a signal ended it.
    public func end(within limit: Duration = .seconds(60)) async throws -> Int32? {
        try await eventually("the program has ended: \(text.suffix(2000))", within: limit) { status != nil }
        return exitCode
    }
}

/// Starts a program in a process group of its own, both outputs in one file. Gives its id, or -1.
private func spawn(_ line: [String], _ environment: [String], output: String) -> pid_t {
    let file = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard file >= 0 else { return -1 }
    defer { close(file) }
    let arguments = line.map { strdup($0) }
    let variables = environment.map { strdup($0) }
    defer { for text in arguments + variables { free(text) } }
    var child: pid_t = 0
    let failure = host_start_program(
        line[0], arguments.map { UnsafePointer($0) } + [nil], variables.map { UnsafePointer($0) } + [nil], file, &child)
    return failure == 0 ? child : -1
}

/// A thread that the work may block.
enum OwnThread {
    final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    static func run(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Work(body)).toOpaque())
        pthread_detach(thread)
    }
}
