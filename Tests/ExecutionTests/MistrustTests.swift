import CHost
import Core
import Execution
import Glibc
import TestSupport
import Testing

/// What becomes of zygotes that somebody has tampered with.
@Suite struct MistrustTests {
    /// What a zygote does, once, in place of forking an init: to the worker it must look like what it is. `control` is the
    /// socket of the init that is due, `frames` that of the script, `sock` the zygote's own.
    static let lies = [
        // It greets as somebody else, or as nobody.
        "greet(pidfd(os.getpid()))", "greet(os.open('/dev/null', os.O_RDONLY))", "greet()",
        // It tells of an end, or of limits that are set, before it has greeted.
        "control.send(b'X' + bytes(32))", "control.send(b'X')",
        "control.send(b'L' + bytes(4)); control.send(b'X' + bytes(32))",
        "control.send(b'garbage')", "control.send(bytes(60000))",
        // It greets truly, and then tells what is none.
        "greet(pidfd(child())); control.send(b'garbage')", "greet(pidfd(child())); control.send(b'X')",
        "greet(pidfd(child())); greet(pidfd(child()))",
        // A script that is ready without an init.
        "frames.send(bytes([2, 0, 0, 0, 0]) + b'{}'); greet(pidfd(os.getpid()))",
        // It says what is not so on its own socket.
        "sock.send(b'garbage')", "sock.send(b'{}')", #"sock.send(b'{"ready":true}')"#,
        #"sock.send(b'{"fork":9999,"error":"no"}')"#, #"sock.send(b'{"fork":-1}')"#, "sock.send(b'[' * 50000)",
    ]

    /// The same without namespaces, where it can name processes of others.
    static let foreign = [
        "greet(pidfd(VICTIM))", "greet(pidfd(os.getppid()))", "greet(pidfd(WORKER))", "greet(pidfd(1))",
        "frames.send(bytes([2, 0, 0, 0, 0]) + b'{}'); greet(pidfd(VICTIM)); control.send(b'X' + bytes(32))",
    ]

    @Test(arguments: lies)
    func `A zygote that lies loses its scripts, harms nobody, and is replaced`(_ lie: String) async throws {
        try await condemned(lie, .a)
    }

    @Test(arguments: foreign)
    func `A zygote that passes somebody else off as its child harms nobody`(_ lie: String) async throws {
        try await condemned(lie, .c)
    }

    @Test func `A zygote that does not answer is replaced`() async throws {
        try await condemned("pass", .a, "did not answer")
    }

    /// Has a script run while its zygote tells `lie`, and sees it lost for `reason`.
    private func condemned(
        _ lie: String, _ tier: SandboxTier, _ reason: String = "it said what can not be true"
    ) async throws {
        try await withLiar(tier) { executor, place, victim, python in
            let mark = Mark()
            let host = TestHost()
            let running = Task {
                await executor.run(
                    .python3, mark.line(.python3) + "print('here', flush=True)\nimport time\nwhile True: time.sleep(1)",
                    wall: .seconds(60), host: host)
            }
            try await eventually("the script prints") { !host.lines.isEmpty }
            let zygote = try #require(mark.zygote)
            try python.tell(lie.replacing("VICTIM", with: "\(victim)").replacing("WORKER", with: "\(getpid())"))
            // It takes a process that was forked before; the one that is forked in its place is the lie.
            switch await executor.run(.python3, "return 1").ending {
            case .result(let result): #expect(result.returned?.integer == 1)
            case .lost: break
            case let other: Issue.record("\(other)")
            }
            guard case .lost(let why) = await running.value.ending else {
                Issue.record("\(await running.value.ending)")
                return
            }
            #expect(why.contains(reason))
            try await eventually("the liar is gone") { !isAlive(zygote) && mark.pids.isEmpty }
            #expect(isAlive(victim))
            #expect(place.cell.map(isAlive) == true)
            #expect(await executor.run(.python3, "return 1").result?.returned?.integer == 1)
        }
    }

    @Test func `What a zygote can not fork is had elsewhere, and nothing is lost`() async throws {
        try await withLiar(.a) { executor, _, _, python in
            try python.tell(#"sock.send(b'{"fork":%d,"error":"no"}' % number)"#)
            for _ in 0..<5 { #expect(await executor.run(.python3, "return 1").result?.returned?.integer == 1) }
        }
    }

    @Test(arguments: [ScriptLanguage.php, .python3])
    func `A zygote that was stopped is replaced, and the job that it was given runs on another`(
        _ language: ScriptLanguage
    ) async throws {
        let endless = Sources(
            php: "echo \"here\\n\"; while (true) usleep(1000);",
            python3: "import time\nprint('here', flush=True)\nwhile True: time.sleep(1)")
        try await withExecutor { executor in
            let host = TestHost()
            let mark = Mark()
            let neighbour = Task {
                await executor.run(language, mark.line(language) + endless[language], host: host)
            }
            try await eventually("the script prints") { !host.lines.isEmpty }
            let zygote = try #require(mark.zygote)
            kill(pid_t(zygote), SIGSTOP)
            // More than it has forked ahead.
            for _ in 0..<4 {
                #expect(await executor.run(language, "return 1;").result?.returned?.integer == 1)
            }
            // What runs on a stopped zygote can not be waited for.
            guard case .lost(let why) = await neighbour.value.ending else {
                Issue.record("\(await neighbour.value.ending)")
                return
            }
            #expect(why.contains("stopped"))
            try await eventually("it is gone") { !isAlive(zygote) }
        }
    }

    @Test func `A parked process that was stopped gets no job`() async throws {
        try await withPlace { executor, place in
            let parked = place.running("harness.js")
            #expect(!parked.isEmpty)
            for pid in parked {
                kill(pid_t(pid), SIGSTOP)
                // A busy kernel takes its time: until then the process can still take a job.
                try await eventually("\(pid) stands still") { text(of: "/proc/\(pid)/stat")?.contains(") T ") != false }
            }
            #expect(await executor.run(.nodejs, "return 1;").result?.returned?.integer == 1)
        }
    }

    /// Runs `body` with an executor whose Python can be made to do something else than it is told, and with a process that
    /// must not come to harm.
    private func withLiar(
        _ tier: SandboxTier, _ body: @Sendable (ScriptExecutor, Place, Int, LyingPython) async throws -> Void
    ) async throws {
        var victim: pid_t = 0
        let words: [UnsafeMutablePointer<CChar>?] = ["/bin/sleep", "1000"].map { (word: String) in strdup(word) }
        defer { for word in words { free(word) } }
        let arguments: [UnsafePointer<CChar>?] = words.map { UnsafePointer($0) } + [nil]
        #expect(host_start_program("/bin/sleep", arguments, [nil], 2, &victim) == 0)
        defer {
            kill(victim, SIGKILL)
            waitpid(victim, nil, 0)
        }
        let python = try LyingPython()
        defer { python.remove() }
        let options = ExecutionOptions(python3Path: python.program, zygotes: 1, parked: 1, mostTier: tier)
        try await withPlace(options) { [victim] executor, place in
            let problem = try await executor.whenReady().first { $0.language == .python3 }?.problem
            #expect(problem == nil)
            #expect(executor.tier <= tier)
            try await body(executor, place, Int(victim), python)
        }
    }
}

/// A Python whose zygotes do what a file says in place of forking, the next time: an installation in a place of its own, with
/// a module that is always imported. A zygote that was started after the file was written is honest.
private struct LyingPython {
    let folder: String
    let program: String

    private static let module = """
        import os, socket, time
        begun = time.time()
        true_receive, Socket, send_fds = socket.recv_fds, socket.socket, socket.send_fds
        pidfd = os.pidfd_open
        def child():
            pid = os.fork()
            if pid == 0:
                while True: time.sleep(1000)
            return pid
        told = False
        def receive(sock, *more):
            global told
            while True:
                truth = true_receive(sock, *more)
                try:
                    if told or not truth[0] or os.stat(FILE).st_mtime < begun: return truth
                    lie = open(FILE).read()
                except OSError:
                    return truth
                told = True
                number = int(truth[0].split(b':')[1].strip(b'}'))
                frames, control = Socket(fileno=truth[1][0]), Socket(fileno=truth[1][3])
                def greet(*fds): send_fds(control, [b'H'], fds)
                kept.append((frames, control))
                exec(lie, dict(globals(), **locals()))
        kept = []
        socket.recv_fds = receive
        """

    init() throws {
        // Scripts have a /tmp of their own, and their user must be able to come here.
        let parent = geteuid() == 0 ? "/opt" : Self.ownFolder
        var template = Array("\(parent)/scriptorium-liar-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        chmod(folder, 0o755)
        let real = try #require(realpath("/usr/bin/python3", nil))
        defer { free(real) }
        // By its name the files are found that it needs.
        let name = String(cString: real).split(separator: "/").last.map(String.init) ?? ""
        program = "\(folder)/bin/\(name)"
        for part in ["bin", "lib", "lib/python3", "lib/python3/dist-packages"] { mkdir("\(folder)/\(part)", 0o755) }
        try #require(symlink("/usr/lib/\(name)", "\(folder)/lib/\(name)") == 0)
        try copy(String(cString: real), to: program)
        try write("import lie\n", to: "lib/python3/dist-packages/lie.pth")
        try write("FILE = '\(folder)/lib/lie'\n\(Self.module)", to: "lib/python3/dist-packages/lie.py")
    }

    /// Where the tests' own program is.
    private static var ownFolder: String {
        guard let path = realpath("/proc/self/exe", nil) else { return "" }
        defer { free(path) }
        return String(cString: path).split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
    }

    func tell(_ lie: String) throws {
        try write(lie, to: "lib/lie.new")
        rename("\(folder)/lib/lie.new", "\(folder)/lib/lie")
    }

    func remove() {
        for file in ["bin", "lib/python3/dist-packages"].flatMap({ part in
            names(in: "\(folder)/\(part)").map { "\(part)/\($0)" }
        }) {
            unlink("\(folder)/\(file)")
        }
        for name in names(in: "\(folder)/lib") { unlink("\(folder)/lib/\(name)") }
        for part in ["bin", "lib/python3/dist-packages", "lib/python3", "lib", ""] { rmdir("\(folder)/\(part)") }
    }

    private func write(_ text: String, to name: String) throws {
        let file = open("\(folder)/\(name)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        defer { close(file) }
        try #require(Glibc.write(file, text, text.utf8.count) == text.utf8.count)
    }

    private func copy(_ source: String, to target: String) throws {
        let (from, to) = (open(source, O_RDONLY | O_CLOEXEC), open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755))
        defer {
            close(from)
            close(to)
        }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = read(from, &bytes, bytes.count), count > 0 {
            try #require(Glibc.write(to, bytes, count) == count)
        }
    }
}
