import Core
import Execution
import Synchronization
import TestSupport
import Testing

/// Node.js processes that serve one job after the other of the same script (`config.reuse`).
@Suite struct ReuseTests {
    /// Says which process it is in, and how often this was run there.
    private static let counter = "globalThis.n = (globalThis.n ?? 0) + 1; return [globalThis.n];"
    /// The name of the process, which it keeps and which is seen from outside; its number is the same in every sandbox.
    private static let me = "(process.title = globalThis.me ??= 't' + Math.random().toString(36).slice(2, 12))"
    private static let name = "return \(me);"

    private func key(
        _ tenant: Int64 = 1, service: Int64 = 1, version: Int32 = 1, memory: Int = 256 << 20
    ) -> ReuseKey {
        var limits = AttemptLimits(wall: .seconds(30))
        limits.memoryBytes = memory
        return ReuseKey(tenant: TenantID(rawValue: tenant), service: service, version: version, limits: limits)
    }

    private func run(
        _ executor: ScriptExecutor, _ source: String, _ key: ReuseKey?, _ language: ScriptLanguage = .nodejs,
        wall: Duration = .seconds(30), host: TestHost = TestHost()
    ) async -> AttemptReport {
        let attempt = ScriptAttempt(
            language: language, name: "service.test", source: source, event: JSONText(trusted: #"{"response":{}}"#),
            platform: JSONText(trusted: #"{"config":{},"session":{}}"#), limits: AttemptLimits(wall: wall),
            tenant: key.map { "tenant-\($0.tenant.rawValue)" }, reuse: key)
        return await executor.execute(attempt, host: host)
    }

    private func value(
        _ executor: ScriptExecutor, _ source: String, _ key: ReuseKey?, _ language: ScriptLanguage = .nodejs,
        host: TestHost = TestHost()
    ) async throws -> JSONText {
        let report = await run(executor, source, key, language, host: host)
        let result = try #require(report.result, "\(report.ending)")
        #expect(result.error == nil)
        return try #require(result.returned)
    }

    @Test func `State is kept for the same key, and for no other`() async throws {
        try await withExecutor(ExecutionOptions(zygotes: 1, parked: 2)) { executor in
            func count(_ key: ReuseKey?) async throws -> Int {
                try #require(try await value(executor, Self.counter, key).elements.last?.integer)
            }
            let others = [
                key(2), key(service: 2), key(version: 2), key(memory: 128 << 20), nil, nil,
            ]
            var counts: [Int] = []
            for key in [key(), key()] + others + [key(), key(2)] { counts.append(try await count(key)) }
            #expect(counts == [1, 2] + others.map { _ in 1 } + [3, 2])
        }
    }

    @Test func `Another source under the same key is the one that runs`() async throws {
        let executor = Shared.executor
        let key = key(10)
        #expect(try await value(executor, "globalThis.x = 1; return 'a';", key).string == "a")
        #expect(try await value(executor, "return 'b' + globalThis.x;", key).string == "b1")
        #expect(try await value(executor, "return 'c' + globalThis.x;", key).string == "c1")
    }

    @Test func `Languages that fork have a process for each job all the same`() async throws {
        let source = "import os\nos.n = getattr(os, 'n', 0) + 1\nreturn os.n"
        for _ in 0..<2 { #expect(try await value(Shared.executor, source, key(11), .python3).integer == 1) }
    }

    /// What a job leaves, and what the next one asks: it must say true, in the same process.
    private static let tidied: [(leaves: String, asks: String)] = [
        ("setInterval(() => console.log('late'), 1).unref();", "await sleep(50); return true;"),
        ("setTimeout(() => console.log('late'), 20).unref();", "await sleep(50); return true;"),
        ("setImmediate(() => console.log('late')).unref();", "await sleep(20); return true;"),
        (
            "require('timers/promises').setTimeout(20, 0, {ref: false}).then(() => console.log('late'));",
            "await sleep(50); return true;"
        ),
        ("AbortSignal.timeout(20).onabort = () => console.log('late');", "await sleep(50); return true;"),
        (
            "const fs = require('fs'); fs.mkdirSync(process.env.TMPDIR + '/a/b', {recursive: true}); fs.writeFileSync('f', 'x');",
            "return require('fs').readdirSync(process.env.TMPDIR).length === 0;"
        ),
        (
            "const fs = require('fs'); fs.mkdirSync('d'); process.chdir('d');",
            "return process.cwd() === require('fs').realpathSync(process.env.TMPDIR);"
        ),
        ("console.group(); console.log = () => {};", "console.log('words'); return true;"),
        ("process.exit = () => {};", "setTimeout(() => { event.setReturn(true); process.exit(); }, 1);"),
        (
            "event.extra = 1; platform.extra = 1;",
            "return !('extra' in event || 'extra' in platform || 'extra' in _event);"
        ),
        ("globalThis.old = platform;", "try { old.api.get('x'); } catch (e) { return e.message.includes('is over'); }"),
        ("globalThis.old = event;", "old.setReturn('late'); old.setResponse('late'); return true;"),
        (
            "structuredClone({a: 1}); await platform.api.get('x');",
            "return (await platform.api.get('x')).statusCode === 404;"
        ),
        ("process.stdout.write('unfinished');", "return true;"),
    ]

    @Test(arguments: tidied.indices)
    func `What a job leaves does not reach the next one`(row: Int) async throws {
        let (leaves, asks) = Self.tidied[row]
        let (first, second) = (TestHost(), TestHost())
        let key = key(20, service: Int64(row))
        let before = try await value(
            Shared.executor, "return (async () => {\(leaves)\nreturn \(Self.me); })();", key, host: first)
        let after = await run(
            Shared.executor,
            """
            const sleep = (time) => new Promise((done) => setTimeout(done, time));
            console.error(\(Self.me));
            return (async () => {\(asks)})();
            """, key, host: second)
        #expect(after.result?.returned?.bool == true, "\(leaves): \(after.ending)")
        #expect(second.lines.filter { $0.stream == .stderr }.map(\.text) == [before.string], "\(leaves)")
        let printed = second.lines.filter { $0.stream == .stdout }.map(\.text)
        #expect(printed == (asks.contains("words") ? ["words"] : []), "\(leaves)")
        if leaves.contains("unfinished") { #expect(first.lines.map(\.text) == ["unfinished"]) }
    }

    /// What makes sure that the process ends with the job.
    private static let spoils = [
        "process.on('SIGUSR2', () => {});",
        "process.on('exit', () => {});",
        "process.once('beforeExit', () => {});",
        "process.on('unhandledRejection', () => {});",
        "process.stdout.on('drain', () => {});",
        "require('fs').openSync('/dev/null');",
        "require('fs').closeSync(1);",
        "require('fs').watch('.', {persistent: false}, () => {});",
        "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 9)'], {detached: true, stdio: 'ignore'}).unref();",
        "new (require('worker_threads').Worker)('setInterval(() => {}, 9)', {eval: true}).unref();",
        "return new Promise(() => {}).then(() => {});",
        "event.setReturn(\(me)); process.exit();",
        "process.exitCode = 0;",
        "require('fs').chmodSync(process.env.TMPDIR, 0);",
        "throw new Error('x');",
        "Promise.reject(new Error('x'));",
    ]

    @Test(arguments: spoils.indices)
    func `A job that may go on behind the result takes its process with it`(row: Int) async throws {
        let key = key(30, service: Int64(row))
        let host = TestHost()
        _ = await run(Shared.executor, "console.error(\(Self.me)); \(Self.spoils[row])", key, host: host)
        let pid = try #require(host.lines.first?.text)
        #expect(try await value(Shared.executor, Self.name, key).string != pid, "\(Self.spoils[row])")
        try await eventually("process \(pid) has ended") { !isNamed(pid) }
    }

    @Test func `A job that was killed leaves no process to the next one`() async throws {
        let executor = Shared.executor
        let key = key(40)
        let pid = try await value(executor, Self.name, key)
        let report = await run(executor, "for (;;);", key, wall: .milliseconds(300))
        #expect(report.limit?.key == "wall_seconds")
        let next = try await value(executor, Self.name, key)
        #expect(next != pid)
        let host = TestHost()
        let job = Task { await run(executor, "console.log('on'); setInterval(() => {}, 1000);", key, host: host) }
        try await eventually("the script runs") { !host.lines.isEmpty }
        job.cancel()
        guard case .cancelled = await job.value.ending else {
            Issue.record("not cancelled")
            return
        }
        #expect(try await value(executor, Self.name, key) != next)
    }

    @Test func `Two jobs of a key at the same time have two processes`() async throws {
        let asked = Mutex(0)
        let host = TestHost { _ in
            asked.withLock { $0 += 1 }
            // Neither goes on before the other has begun.
            try? await eventually("both are there") { asked.withLock { $0 } == 2 }
            return APIReply(status: 200, headers: [], body: [])
        }
        let source = "return platform.api.get('x').then(() => \(Self.me));"
        async let one = value(Shared.executor, source, key(50), host: host)
        async let two = value(Shared.executor, source, key(50), host: host)
        let pids = try await [one, two]
        #expect(pids[0] != pids[1])
    }

    @Test func `A process ends after so many jobs, and after waiting long`() async throws {
        var options = ExecutionOptions(zygotes: 1, parked: 2)
        options.reuse.mostJobs = 2
        options.reuse.idleTime = .milliseconds(200)
        try await withExecutor(options) { executor in
            var pids: [String] = []
            for _ in 0..<20 { pids.append(try #require(try await value(executor, Self.name, key()).string)) }
            // The time may have ended one earlier, never later.
            for pid in pids { #expect(pids.count { $0 == pid } <= 2) }
            #expect(Set(pids).count < 20)
            try await eventually("the last process has ended") { !pids.contains(where: isNamed) }
        }
    }

    @Test func `Of more waiting processes than are kept the oldest end`() async throws {
        var options = ExecutionOptions(zygotes: 1, parked: 2)
        options.reuse.mostIdle = 2
        try await withExecutor(options) { executor in
            var pids: [String] = []
            for tenant in 1...3 {
                pids.append(try #require(try await value(executor, Self.name, key(Int64(tenant))).string))
            }
            let oldest = pids[0]
            try await eventually("the oldest has ended") { !isNamed(oldest) }
            #expect(try await value(executor, Self.name, key(2)).string == pids[1])
            #expect(try await value(executor, Self.name, key(3)).string == pids[2])
        }
    }

    @Test func `A process that holds half of the memory limit is not kept`() async throws {
        let hoard = "globalThis.kept = Buffer.alloc(140 << 20, 1); return \(Self.me);"
        let pid = try await value(Shared.executor, hoard, key(60))
        #expect(try await value(Shared.executor, Self.name, key(60)) != pid)
    }

    @Test func `Each job pays for itself`() async throws {
        let spend = """
            const begin = process.cpuUsage().user;
            while (process.cpuUsage().user - begin < 300000);
            Buffer.alloc(60 << 20, 1);
            return \(Self.me);
            """
        let first = await run(Shared.executor, spend, key(70))
        let second = await run(Shared.executor, Self.name, key(70))
        #expect(first.result?.returned != nil && first.result?.returned == second.result?.returned)
        #expect(first.usage.cpu >= .milliseconds(300))
        #expect(second.usage.cpu < .milliseconds(200))
        #expect(second.usage.peakMemoryBytes > 0)
        #expect(first.usage.peakMemoryBytes > 60 << 20)
    }
}

/// Whether a process of this machine has the name.
private func isNamed(_ name: String) -> Bool {
    names(in: "/proc").contains { Int($0) != nil && text(of: "/proc/\($0)/comm") == "\(name)\n" }
}
