import CHost
import Core
import Execution
import Glibc
import TestSupport
import Testing

/// What becomes of zygotes that somebody has tampered with.
@Suite struct MistrustTests {
    /// Messages of a zygote that can not be true, sent once in place of the one that names a job's process.
    static let early = [
        #"{"job":JOB,"pid":VICTIM}"#, #"{"job":JOB,"pid":1}"#, #"{"job":JOB,"pid":0}"#, #"{"job":JOB,"pid":-1}"#,
        #"{"job":JOB,"pid":4294967298}"#, #"{"job":9999,"pid":PID}"#, #"{"job":JOB,"status":0}"#, #"{"ready":true}"#,
        "garbage", "{}",
    ]
    /// And those that come after it.
    static let late = [
        #"{"job":JOB,"pid":PID}"#, #"{"job":JOB,"pid":VICTIM}"#, #"{"job":JOB,"status":0}"#,
        #"{"job":JOB,"error":"no"}"#,
    ]

    @Test(arguments: early)
    func `A zygote that lies of a process harms nobody and is replaced`(_ lie: String) async throws {
        try await withLiar { executor, victim, tell in
            try tell(lie, false)
            #expect(await executor.run(.python3, "return 1").result?.returned?.integer == 1)
            #expect(isAlive(victim))
        }
    }

    @Test(arguments: late)
    func `A zygote that lies of a running script loses it, harms nobody, and is replaced`(_ lie: String) async throws {
        try await withLiar { executor, victim, tell in
            try tell(lie, true)
            let report = await executor.run(.python3, "while True: pass")
            guard case .lost(let why) = report.ending else {
                Issue.record("\(report.ending)")
                return
            }
            #expect(why.contains("it said what can not be true"))
            #expect(isAlive(victim))
            #expect(await executor.run(.python3, "return 1").result?.returned?.integer == 1)
        }
    }

    @Test(arguments: [ScriptLanguage.php, .python3])
    func `A zygote that was stopped is replaced, and the job that it was given runs on another`(
        _ language: ScriptLanguage
    ) async throws {
        let endless = Sources(
            php: "echo posix_getppid(), \"\\n\"; while (true) usleep(1000);",
            python3: "import os, time\nprint(os.getppid(), flush=True)\nwhile True: time.sleep(1)")
        try await withExecutor { executor in
            let host = TestHost()
            let neighbour = Task { await executor.run(language, endless[language], host: host) }
            try await eventually("the script prints") { !host.lines.isEmpty }
            let zygote = try #require(host.lines.first.flatMap { pid_t($0.text) })
            kill(zygote, SIGSTOP)
            let report = await executor.run(language, "return 1;")
            #expect(report.result?.returned?.integer == 1)
            // What runs on a stopped zygote can not be waited for.
            guard case .lost(let why) = await neighbour.value.ending else {
                Issue.record("\(await neighbour.value.ending)")
                return
            }
            #expect(why.contains("stopped"))
            #expect(!isAlive(Int(zygote)))
        }
    }

    @Test func `A parked process that was stopped gets no job`() async throws {
        try await withExecutor { executor in
            let value = try await executor.value(.python3, "import os\nreturn os.getppid()")
            let cell = try #require(value.integer.flatMap(parent(of:)))
            for pid in descendants(of: cell) where text(of: "/proc/\(pid)/cmdline")?.contains("harness.js") == true {
                kill(pid_t(pid), SIGSTOP)
                // A busy kernel takes its time: until then the process can still take a job.
                try await eventually("\(pid) stands still") { text(of: "/proc/\(pid)/stat")?.contains(") T ") != false }
            }
            #expect(await executor.run(.nodejs, "return 1;").result?.returned?.integer == 1)
        }
    }

    /// Runs `body` with an executor whose Python can be made to say something else than the truth, and with a process that
    /// must not come to harm. `tell` prepares the next lie, in place of the truth or after it.
    private func withLiar(
        _ body: @Sendable (ScriptExecutor, Int, _ tell: @Sendable (String, Bool) throws -> Void) async throws -> Void
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
        let options = ExecutionOptions(python3Path: python.program, zygotes: 1, parked: 1)
        try await withExecutor(options) { [victim] executor in
            try await body(executor, Int(victim)) { lie, isLate in
                try python.tell(lie.replacing("VICTIM", with: "\(victim)"), late: isLate)
            }
        }
        #expect(python.hasTold)
    }
}

/// A Python whose control socket sends what a file says, once: a virtual environment with a module that is always imported.
private struct LyingPython {
    let folder: String
    var program: String { "\(folder)/bin/python3" }

    private static let module = """
        import json, os, socket
        send = socket.socket.send
        def lying(self, data, *more):
            if b'"pid"' not in data: return send(self, data, *more)
            try:
                late, lie = open(FILE).read().split(' ', 1)
                os.unlink(FILE)
            except FileNotFoundError:
                return send(self, data, *more)
            truth = json.loads(data)
            if late == 'True': send(self, data)
            return send(self, lie.replace('JOB', str(truth['job'])).replace('PID', str(truth['pid'])).encode())
        socket.socket.send = lying
        """

    init() throws {
        var template = Array("/tmp/scriptorium-liar-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        chmod(folder, 0o777)
        let real = try #require(realpath("/usr/bin/python3", nil))
        defer { free(real) }
        let name = String(cString: real).split(separator: "/").last ?? ""
        for part in ["bin", "lib", "lib/\(name)", "lib/\(name)/site-packages"] { mkdir("\(folder)/\(part)", 0o755) }
        try copy(String(cString: real), to: program)
        try write("home = /usr/bin\n", to: "pyvenv.cfg")
        try write("import lie\n", to: "lib/\(name)/site-packages/lie.pth")
        try write("FILE = '\(folder)/lie'\n\(Self.module)", to: "lib/\(name)/site-packages/lie.py")
    }

    /// Whether the lie is out.
    var hasTold: Bool { access("\(folder)/lie", F_OK) != 0 }

    func tell(_ lie: String, late: Bool) throws {
        try write("\(late ? "True" : "False") \(lie)", to: "lie.new")
        rename("\(folder)/lie.new", "\(folder)/lie")
    }

    func remove() {
        let library = names(in: "\(folder)/lib").first ?? ""
        for file in ["lie", "pyvenv.cfg", "bin/python3"]
            + ["lie.pth", "lie.py"].map({ "lib/\(library)/site-packages/\($0)" })
        {
            unlink("\(folder)/\(file)")
        }
        for part in ["bin", "lib/\(library)/site-packages", "lib/\(library)", "lib", ""] { rmdir("\(folder)/\(part)") }
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
