import Core
import Execution
import Glibc
import Synchronization
import TestSupport
import Testing

/// What bounds a script from outside.
@Suite struct LimitTests {
    let executor = Shared.executor

    static let endless = Sources(
        nodejs: "while (true);", php: "while (true);", python3: "while True: pass")

    @Test(arguments: ScriptLanguage.everyday)
    func `An endless loop meets the wall limit`(_ language: ScriptLanguage) async throws {
        _ = try await executor.whenReady()
        let report = await executor.run(language, Self.endless[language], wall: .milliseconds(300))
        #expect(report.limit == LimitHit(key: "wall_seconds", value: "0.3 s"))
        #expect(report.usage.wall >= .milliseconds(300))
        #expect(report.usage.wall < .seconds(15))
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A cancelled script is killed, and nothing of it is left`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "console.log('here'); while (true);", php: "echo \"here\\n\"; while (true);",
            python3: "print('here')\nwhile True: pass")
        let host = TestHost()
        let mark = Mark()
        let task = Task { await executor.run(language, mark.line(language) + sources[language], host: host) }
        try await eventually("the script prints") { !host.lines.isEmpty }
        let pid = try #require(mark.pid)
        let initial = try #require(mark.initial)
        let clock = ContinuousClock()
        let start = clock.now
        task.cancel()
        let report = await task.value
        guard case .cancelled = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
        #expect(clock.now - start < .seconds(15))
        #expect(!isAlive(pid))
        try await eventually("its init is gone") { !isAlive(initial) }
    }

    @Test func `A script that is cancelled before it starts does not run`() async {
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await executor.run(.python3, "return 1")
        }
        task.cancel()
        let report = await task.value
        guard case .cancelled = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
    }

    @Test func `What a script leaves behind is killed`() async throws {
        let source = """
            import os, time
            read, write = os.pipe()
            for daemon in (False, True):
                if os.fork() == 0:
                    if daemon:
                        os.setsid()
                        if os.fork() != 0: os._exit(0)
                    os.write(write, b'x')
                    time.sleep(1000)
            for _ in range(2): os.read(read, 1)
            platform.api.get('seen')
            return 1
            """
        let mark = Mark()
        let seen = Mutex<[Int]>([])
        let host = TestHost { _ in
            seen.withLock { $0 = mark.pids }
            return APIReply(status: 200, headers: [], body: [])
        }
        let report = await executor.run(.python3, mark.line(.python3) + source, host: host)
        #expect(report.result != nil)
        #expect(report.usage.wall < .seconds(15))
        // The script, its child and its grandchild.
        #expect(seen.withLock { $0.count } == 3)
        try await eventually("what it left is gone") { mark.pids.isEmpty }
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `What a script leaves in its directory goes with it, however deep and closed it is`(
        _ language: ScriptLanguage
    ) async throws {
        let sources = Sources(
            nodejs: """
                const fs = require('fs');
                const top = process.cwd();
                for (let depth = 0; depth < 3000; depth++) { fs.mkdirSync('d'); process.chdir('d'); }
                fs.writeFileSync('file', 'x');
                process.chdir(top);
                fs.mkdirSync('closed/inner', {recursive: true});
                fs.writeFileSync('closed/inner/file', 'x');
                for (const path of ['closed/inner', 'closed', 'd/d/d', '.']) fs.chmodSync(path, 0);
                return top;
                """,
            php: """
                $top = getcwd();
                for ($depth = 0; $depth < 3000; $depth++) { mkdir('d'); chdir('d'); }
                file_put_contents('file', 'x');
                chdir($top);
                mkdir('closed/inner', 0700, true);
                file_put_contents('closed/inner/file', 'x');
                foreach (['closed/inner', 'closed', 'd/d/d', '.'] as $path) chmod($path, 0);
                return $top;
                """,
            python3: """
                import os
                top = os.getcwd()
                for _ in range(3000):
                    os.mkdir('d')
                    os.chdir('d')
                open('file', 'w').close()
                os.chdir(top)
                os.makedirs('closed/inner')
                open('closed/inner/file', 'w').close()
                for path in ('closed/inner', 'closed', 'd/d/d', '.'): os.chmod(path, 0)
                return top
                """)
        let look = Sources(
            nodejs: "return require('fs').readdirSync('.').length;", php: "return count(scandir('.')) - 2;",
            python3: "import os\nreturn len(os.listdir('.'))")
        let mark = Mark()
        // One process after the other, of the same zygote.
        try await withExecutor { executor in
            for _ in 0..<2 {
                let path = try await executor.value(language, mark.line(language) + sources[language]).string
                #expect(path == "/tmp")
                try await eventually("nothing holds it any more") { mark.pids.isEmpty }
                #expect(try await executor.value(language, look[language]).integer == 0)
            }
        }
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `Too much output is cut`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "for (let i = 0; i < 5000; i++) console.log('x'.repeat(99)); return 1;",
            php: "for ($i = 0; $i < 5000; $i++) echo str_repeat('x', 99), \"\\n\"; return 1;",
            python3: "for i in range(5000): print('x' * 99)\nreturn 1")
        let host = TestHost()
        let report = await executor.run(language, sources[language], logBytes: 10_050, host: host)
        #expect(report.result?.returned?.integer == 1)
        #expect(report.logTruncated)
        let lines = host.lines
        // A line costs 16 bytes beside its text: 87 whole ones, a part of the next, and the word that it was cut.
        try #require(lines.count == 89)
        #expect(lines[87].text == String(repeating: "x", count: 29))
        #expect(lines[88].stream == .system)
        #expect(lines[88].text.contains("log_bytes"))
    }

    @Test func `The last line on standard error is known, however much was printed before`() async {
        let source = """
            import os
            for number in range(50000): os.write(2, b'line %d\\n' % number)
            os.write(2, b'the last')
            os._exit(3)
            """
        let report = await executor.run(.python3, source, logBytes: 1000)
        guard case .exited(3, "the last") = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
        #expect(report.logTruncated)
    }

    @Test func `Scripts that print without end hold up nobody more than scripts that only compute`() async throws {
        func time(beside source: String, prints: Bool) async throws -> Duration {
            try await withExecutor(ExecutionOptions(zygotes: 2, parked: 1)) { executor in
                let hosts = [TestHost(), TestHost()]
                let neighbours = hosts.map { host in Task { await executor.run(.python3, source, host: host) } }
                if prints {
                    try await eventually("the output is cut") {
                        hosts.allSatisfy { $0.lines.last?.stream == .system }
                    }
                }
                let clock = ContinuousClock()
                let start = clock.now
                for _ in 0..<20 { _ = await executor.run(.php, "return 1;") }
                let taken = clock.now - start
                for neighbour in neighbours { neighbour.cancel() }
                return taken
            }
        }
        let computing = try await time(beside: "while True: pass", prints: false)
        let printing = try await time(
            beside: "import os\nlines = b'x\\n' * 2000\nwhile True: os.write(1, lines)", prints: true)
        #expect(printing < computing * 5 + .seconds(1))
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A result over its limit is refused`(_ language: ScriptLanguage) async {
        let sources = Sources(
            nodejs: "return 'x'.repeat(200000);", php: "return str_repeat('x', 200000);", python3: "return 'x' * 200000"
        )
        let report = await executor.run(language, sources[language], responseBytes: 100 << 10)
        #expect(report.limit == LimitHit(key: "response_bytes", value: "100 KiB"))
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A large event and a large result pass`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "return event.text + 'y';", php: "return $event['text'] . 'y';", python3: "return event.text + 'y'")
        let text = String(repeating: "x", count: 3 << 20)
        let value = try await executor.value(language, sources[language], event: "{\"text\":\"\(text)\"}")
        #expect(value.string == text + "y")
    }

    @Test func `Lines are whole, valid, and not endless`() async {
        let source = """
            import os, sys
            os.write(1, b'a\\xff\\x00b\\r\\n')
            os.write(1, b'x' * 8192 + b'\\n')
            os.write(1, 'ü'.encode() * 5000)
            os.write(2, b'unfinished')
            return 1
            """
        let host = TestHost()
        _ = await executor.run(.python3, source, host: host)
        let out = host.lines.filter { $0.stream == .stdout }.map(\.text)
        #expect(
            out == [
                "a\u{FFFD}b", String(repeating: "x", count: 8192), String(repeating: "ü", count: 4096),
                String(repeating: "ü", count: 904),
            ])
        #expect(host.lines.filter { $0.stream == .stderr }.map(\.text) == ["unfinished"])
    }

    @Test func `A line arrives while the script runs`() async throws {
        let host = TestHost()
        let task = Task { await executor.run(.python3, "print('now', flush=True)\nwhile True: pass", host: host) }
        try await eventually("the line arrives") { host.lines.map(\.text) == ["now"] }
        task.cancel()
        _ = await task.value
    }
}
