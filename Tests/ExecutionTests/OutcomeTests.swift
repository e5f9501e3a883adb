import Core
import Execution
import Glibc
import Synchronization
import TestSupport
import Testing

/// How a script can end.
@Suite struct OutcomeTests {
    let executor = Shared.executor

    @Test(arguments: ScriptLanguage.everyday)
    func `A script returns a value made of its event`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "return {sum: event.a + event.b, text: event.text};",
            php: "return ['sum' => $event['a'] + $event['b'], 'text' => $event['text']];",
            python3: "return {'sum': event.a + event['b'], 'text': event.text}")
        let value = try await executor.value(language, sources[language], event: #"{"a":40,"b":2,"text":"ü\u0000"}"#)
        #expect(value["sum"]?.integer == 42)
        #expect(value["text"]?.string == "ü\0")
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A number of any length can come in`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "return typeof event.n;", php: "return gettype($event['n']);",
            python3: "return [event.n == int('7' * 4000) * 10 ** 1000 + 1, event.n]")
        let digits = String(repeating: "7", count: 4000) + String(repeating: "0", count: 999) + "1"
        let value = try await executor.value(language, sources[language], event: "{\"n\":\(digits),\"response\":{}}")
        #expect(
            value.text
                == [
                    .nodejs: "\"number\"", .php: "\"double\"", .python: "[true,\(digits)]",
                    .python3: "[true,\(digits)]",
                ][language])
        let huge = String(repeating: "9", count: 100_000)
        #expect(
            await executor.run(language, "return 1;", event: "{\"n\":\(huge),\"response\":{}}").result?.returned?
                .integer == 1)
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A script that throws says what and where`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "\n\nthrow new Error('broken');", php: "\n\nthrow new \\Exception('broken');",
            python3: "\n\nraise ValueError('broken')")
        let error = try #require(await executor.run(language, sources[language]).result?.error)
        #expect(error.kind == .thrown)
        #expect(error.message == "broken")
        #expect(error.line == 3)
    }

    @Test func `A process that exits by itself gives its code`() async {
        let report = await executor.run(
            .python3, "import sys, os\nprint('why', file=sys.stderr, flush=True)\nos._exit(3)")
        guard case .exited(3, let line) = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
        #expect(line == "why")
        let other = await executor.run(.nodejs, "process.exit(3);")
        guard case .exited(3, _) = other.ending else {
            Issue.record("\(other.ending)")
            return
        }
    }

    @Test func `A process that exits with 0 and without a result has no result`() async {
        let scripts: [(ScriptLanguage, String)] = [
            (.python3, "import os\nos._exit(0)"), (.nodejs, "process.exit(0);"),
        ]
        for (language, source) in scripts {
            let report = await executor.run(language, source)
            guard case .exited(0, _) = report.ending else {
                Issue.record("\(language): \(report.ending)")
                continue
            }
        }
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A signal that ends the script is told`(_ language: ScriptLanguage) async {
        let sources = Sources(
            nodejs: "process.kill(process.pid, 'SIGKILL');", php: "posix_kill(getmypid(), 9);",
            python3: "import os\nos.kill(os.getpid(), 9)")
        let report = await executor.run(language, sources[language])
        guard case .crashed(9, _) = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
    }

    @Test func `A runtime that crashes says why, and nothing of its own inside`() async {
        let host = TestHost()
        let report = await executor.run(
            .nodejs,
            """
            console.error('before');
            // Memory that is never touched, until V8 gets none for itself.
            const held = [], all = [];
            for (let size = 64 << 20; size >= 1 << 20;)
                try { held.push(new ArrayBuffer(size)); } catch { size >>= 1; }
            while (true) all.push({});
            """, host: host)
        #expect(report.limit?.key == "memory_bytes")
        let lines = host.lines.map(\.text)
        #expect(lines.count == 3 && lines.first == "before")
        #expect(lines.last?.hasPrefix("FATAL ERROR: ") == true)
        #expect(lines.last?.hasSuffix("out of memory") == true)
        guard case .crashed(6, nil) = await executor.run(.nodejs, "process.abort();", host: host).ending else {
            Issue.record("process.abort: \(report.ending)")
            return
        }
        #expect(host.lines.count == 3)
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `The processor time and the memory are told`(_ language: ScriptLanguage) async {
        let sources = Sources(
            nodejs: """
                const all = Buffer.alloc(8 << 20, 1);
                const end = Date.now() + 100;
                while (Date.now() < end);
                return all.length;
                """,
            php: """
                $all = str_repeat('x', 8 << 20);
                $end = microtime(true) + 0.1;
                while (microtime(true) < $end);
                return strlen($all);
                """,
            python3: """
                import time
                all = b'x' * (8 << 20)
                end = time.time() + 0.1
                while time.time() < end: pass
                return len(all)
                """)
        let report = await executor.run(language, sources[language])
        // On a loaded machine a tenth of a second holds less processor time.
        #expect(report.usage.cpu > .milliseconds(5))
        #expect(report.usage.cpu < .seconds(15))
        #expect(report.usage.peakMemoryBytes > 8 << 20)
        #expect(report.usage.peakMemoryBytes < 256 << 20)
        #expect(report.usage.wall >= .milliseconds(100))
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `Fifty runs at once each get their own answer`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "console.log('run', event.n); return event.n;",
            php: "echo 'run ', $event['n']; return $event['n'];",
            python: "print 'run', event.n\nreturn event.n", python3: "print('run', event.n)\nreturn event.n")
        try await withThrowingTaskGroup(of: (Int, Int?, [String]).self) { group in
            for number in 0..<50 {
                group.addTask {
                    let host = TestHost()
                    let value = try await executor.value(
                        language, sources[language], event: "{\"n\":\(number)}", host: host)
                    return (number, value.integer, host.lines.map(\.text))
                }
            }
            for try await (number, answer, lines) in group {
                #expect(answer == number)
                #expect(lines == ["run \(number)"])
            }
        }
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A check finds the line of a fault and runs nothing`(_ language: ScriptLanguage) async throws {
        let faulty = Sources(
            nodejs: "let a = 1;\nlet b = = 2;", php: "$a = 1;\n$b = = 2;", python3: "a = 1\nb = = 2")
        let error = try #require(await executor.check(faulty[language], language: language, name: "service.test"))
        #expect(error.kind == .syntax)
        #expect(error.line == 2)
        if language != .php { #expect(error.column != nil) }
        let sound = Sources(nodejs: "throw 1;", php: "throw new \\Exception();", python3: "raise ValueError()")
        #expect(await executor.check(sound[language], language: language, name: "service.test") == nil)
    }

    @Test func `A result that is no JSON is a violation`() async {
        let report = await executor.run(
            .python3, "import os, struct\nos.write(3, struct.pack('<IB', 3, 4) + b'{,}')\nwhile True: pass")
        guard case .violation = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
    }

    @Test(arguments: ["b'garbage that is no frame'", "struct.pack('<IB', 0, 77)", "struct.pack('<IB', 1 << 31, 2)"])
    func `Garbage on the frame socket is a violation`(_ bytes: String) async {
        let report = await executor.run(.python3, "import os, struct\nos.write(3, \(bytes))\nwhile True: pass")
        guard case .violation = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
        #expect(report.usage.wall < .seconds(15))
    }

    @Test(arguments: ["os._exit(0)", "os.kill(os.getpid(), 9)"])
    func `A result that is cut off is no success`(_ end: String) async {
        let report = await executor.run(
            .python3, "import os, struct\nos.write(3, struct.pack('<IB', 100, 4) + b'{\"returned\"')\n\(end)")
        guard case .violation(let why) = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
        #expect(why == "the response was cut: the process ended after 11 of its 100 bytes")
    }

    @Test func `The first result counts, and frames after it do not`() async {
        let source = """
            import os, struct
            def frame(kind, text): os.write(3, struct.pack('<IB', len(text), kind) + text)
            frame(4, b'{"returned":1}')
            frame(4, b'{"returned":2}')
            frame(99, b'')
            return 3
            """
        let report = await executor.run(.python3, source)
        #expect(report.result?.returned?.integer == 1)
    }

    @Test func `A process that stays after its result is killed`() async throws {
        let mark = Mark()
        let seen = Mutex<[Int]>([])
        let host = TestHost { _ in
            seen.withLock { $0 = mark.pids }
            return APIReply(status: 200, headers: [], body: [])
        }
        let source = """
            import os, struct, time
            platform.api.get('seen')
            text = b'{"returned":1}'
            os.write(3, struct.pack('<IB', len(text), 4) + text)
            time.sleep(1000)
            """
        let report = await executor.run(.python3, mark.line(.python3) + source, host: host)
        #expect(report.result?.returned?.integer == 1)
        #expect(report.usage.wall < .seconds(15))
        #expect(seen.withLock { $0.count } == 1)
        try await eventually("the process is gone") { mark.pids.isEmpty }
    }
}
