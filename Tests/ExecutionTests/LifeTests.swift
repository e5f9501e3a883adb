import Core
import Execution
import Glibc
import Logging
import ServiceLifecycle
import TestSupport
import Testing

/// How the executor's processes begin, fail, and end.
@Suite struct LifeTests {
    @Test func `Every language of this machine is found`() async throws {
        let reports = try await Shared.executor.whenReady()
        #expect(reports.map(\.language) == ScriptLanguage.allCases)
        // Python 2 has a test of its own.
        for report in reports where report.language != .python {
            #expect(report.problem == nil)
            #expect(report.path?.hasPrefix("/") == true)
            #expect(report.version?.isEmpty == false)
        }
        #expect(
            Shared.executor.languages.filter { $0 != .python } == ScriptLanguage.allCases.filter { $0 != .python })
    }

    @Test func `Python 2 is found where there is one, and is absent with a reason where there is none`() async throws {
        let reports = try await Shared.executor.whenReady()
        let report = try #require(reports.first { $0.language == .python })
        #expect(Shared.executor.languages.contains(.python) == Python2.isHere)
        if Python2.isHere {
            #expect(report.problem == nil)
            #expect(report.version?.hasPrefix("2.7.") == true)
        } else {
            print("Python 2 is absent: \(report.problem ?? "without a reason")")
            #expect(report.problem?.isEmpty == false)
        }
    }

    @Test func `A language whose program is missing or a script is absent, and says why`() async throws {
        let shim = "/tmp/scriptorium-shim-\(getpid())"
        let file = open(shim, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755)
        #expect(write(file, "#!/bin/sh\n", 10) == 10)
        close(file)
        defer { unlink(shim) }
        let options = ExecutionOptions(
            nodePath: "/nowhere/node", phpPath: "/bin/true", python2Path: "/usr/bin/python3", python3Path: shim,
            zygotes: 1, parked: 1)
        let (reports, languages, report) = try await withExecutor(options) { executor in
            (try await executor.whenReady(), executor.languages, await executor.run(.python3, "return 1"))
        }
        #expect(languages == [])
        #expect(reports[0].problem?.contains("/nowhere/node") == true)
        #expect(reports[1].problem?.contains("version") == true)
        #expect(reports[2].problem?.hasSuffix("and 2.7 is needed.") == true)
        #expect(reports[3].problem?.contains("real program") == true)
        guard case .lost(let why) = report.ending else {
            Issue.record("\(report.ending)")
            return
        }
        #expect(why.contains("real program"))
    }

    @Test func `A missing cell is told at once`() async throws {
        let executor = ScriptExecutor(ExecutionOptions(cellPath: "/nowhere/cell"), logger: Shared.quiet)
        await #expect(throws: ExecutionError.self) { try await executor.run() }
        await #expect(throws: ExecutionError.self) { try await executor.whenReady() }
    }

    @Test func `A shut down executor leaves no process and no file`() async throws {
        let (pids, folder) = try await withExecutor { executor in
            let host = TestHost()
            let value = try await executor.value(.python3, "import os\nreturn [os.getppid(), os.getcwd()]", host: host)
            let zygote = try #require(value.elements.first?.integer)
            let cell = try #require(parent(of: zygote))
            let folder = try #require(value.elements.last?.string).split(separator: "/").prefix(2)
            return ([cell] + descendants(of: cell), "/" + folder.joined(separator: "/"))
        }
        #expect(pids.count >= 4)
        #expect(!pids.contains(where: isAlive))
        #expect(access(folder, F_OK) != 0)
    }

    @Test func `A script that runs when the executor shuts down is lost and dies`() async throws {
        let host = TestHost()
        let running = try await withExecutor { executor in
            let task = Task {
                await executor.run(.python3, "import os\nprint(os.getpid(), flush=True)\nwhile True: pass", host: host)
            }
            try await eventually("the script prints") { !host.lines.isEmpty }
            return task
        }
        guard case .lost = await running.value.ending else {
            Issue.record("\(await running.value.ending)")
            return
        }
        let pid = try #require(host.lines.first.flatMap { Int($0.text) })
        #expect(!isAlive(pid))
    }

    @Test func `A graceful shutdown ends the executor`() async throws {
        let executor = ScriptExecutor(ExecutionOptions(zygotes: 1, parked: 1), logger: Shared.quiet)
        let services = ServiceGroup(services: [executor], logger: Shared.quiet)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            _ = try await executor.whenReady()
            await services.triggerGracefulShutdown()
            try await group.waitForAll()
        }
        await #expect(throws: ExecutionError.self) { try await executor.whenReady() }
    }

    @Test(arguments: [ScriptLanguage.php, .python3])
    func `A zygote that is killed loses its job and is replaced`(_ language: ScriptLanguage) async throws {
        let parentID = Sources(
            php: "echo posix_getppid(), \"\\n\"; while (true);",
            python3: "import os\nprint(os.getppid())\nwhile True: pass")
        try await withExecutor { executor in
            let host = TestHost()
            let task = Task { await executor.run(language, parentID[language], host: host) }
            try await eventually("the script prints") { !host.lines.isEmpty }
            let zygote = try #require(host.lines.first.flatMap { pid_t($0.text) })
            kill(zygote, SIGKILL)
            guard case .lost = await task.value.ending else {
                Issue.record("\(await task.value.ending)")
                return
            }
            #expect(await executor.run(language, "return 1;").result?.returned?.integer == 1)
        }
    }

    @Test(arguments: [ScriptLanguage.php, .python3])
    func `A zygote that has forked often enough is replaced, and loses nothing`(_ language: ScriptLanguage) async throws
    {
        let source = Sources(php: "return posix_getppid();", python3: "import os\nreturn os.getppid()")[language]
        let options = ExecutionOptions(zygotes: 1, forksPerZygote: 5, parked: 1)
        try await withExecutor(options) { executor in
            var zygotes: Set<Int> = []
            for _ in 0..<20 {
                zygotes.insert(try #require(try await executor.value(language, source).integer))
            }
            #expect(zygotes.count == 4)
            try await eventually("the old zygotes are gone") { zygotes.count(where: isAlive) <= 1 }
        }
    }

    @Test func `When cell is killed, everything is started anew`() async throws {
        try await withExecutor { executor in
            let value = try await executor.value(.python3, "import os\nreturn [os.getppid(), os.getcwd()]")
            let cell = try #require(value.elements.first?.integer.flatMap(parent(of:)))
            let folder = try #require(value.elements.last?.string).split(separator: "/").prefix(2).joined(
                separator: "/")
            let before = descendants(of: cell)
            kill(pid_t(cell), SIGKILL)
            try await eventually("Python answers again") {
                await executor.run(.python3, "return 1").result?.returned?.integer == 1
            }
            try await eventually("the old processes are gone") { !before.contains(where: isAlive) }
            try await eventually("the old directory is gone") { access("/" + folder, F_OK) != 0 }
        }
    }

    @Test func `A parked process that dies is replaced`() async throws {
        try await withExecutor { executor in
            let value = try await executor.value(.python3, "import os\nreturn os.getppid()")
            let cell = try #require(value.integer.flatMap(parent(of:)))
            try await eventually("the parked processes are replaced") {
                descendants(of: cell).contains { text(of: "/proc/\($0)/cmdline")?.contains("harness.js") == true }
            }
            for pid in descendants(of: cell) where text(of: "/proc/\(pid)/cmdline")?.contains("harness.js") == true {
                kill(pid_t(pid), SIGKILL)
            }
            try await eventually("Node.js answers again") {
                await executor.run(.nodejs, "return 1;").result?.returned?.integer == 1
            }
        }
    }
}
