import Core
import Execution
import Glibc
import Logging
import ServiceLifecycle
import Synchronization
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

    @Test func `A program where scripts have a directory of their own is refused, and the reason is given`()
        async throws
    {
        let path = "/tmp/scriptorium-python-\(getpid())"
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755)
        close(file)
        defer { unlink(path) }
        let options = ExecutionOptions(python3Path: path, zygotes: 1, parked: 1)
        let report = try await withExecutor(options) { executor in
            try await executor.whenReady().first { $0.language == .python3 && executor.tier >= .b }
        }
        if let report { #expect(report.problem?.contains("have a /tmp of their own") == true) }
    }

    @Test func `A missing cell is told at once`() async throws {
        let executor = ScriptExecutor(ExecutionOptions(cellPath: "/nowhere/cell"), logger: Shared.quiet)
        await #expect(throws: ExecutionError.self) { try await executor.run() }
        await #expect(throws: ExecutionError.self) { try await executor.whenReady() }
    }

    @Test func `A shut down executor leaves no process and no file`() async throws {
        let place = try Place()
        defer { place.remove() }
        let pids = try await withExecutor(ExecutionOptions(runDirectory: place.folder, zygotes: 1, parked: 1)) {
            executor in
            #expect(await executor.run(.python3, "return 1").result?.returned?.integer == 1)
            #expect(names(in: place.folder).count == 1)
            return place.processes
        }
        // cell, two zygotes, and an init and a process for each of those that wait.
        #expect(pids.count >= 9)
        #expect(!pids.contains(where: isAlive))
        #expect(names(in: place.folder) == [])
    }

    @Test func `A script that runs when the executor shuts down is lost and dies`() async throws {
        let host = TestHost()
        let mark = Mark()
        let running = try await withExecutor { executor in
            let task = Task {
                await executor.run(.python3, mark.line(.python3) + "print('here')\nwhile True: pass", host: host)
            }
            try await eventually("the script prints") { !host.lines.isEmpty }
            #expect(mark.pids.count == 1)
            return task
        }
        guard case .lost = await running.value.ending else {
            Issue.record("\(await running.value.ending)")
            return
        }
        #expect(mark.pids == [])
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
        let endless = Sources(php: "echo \"here\\n\"; while (true);", python3: "print('here')\nwhile True: pass")
        try await withExecutor { executor in
            let host = TestHost()
            let mark = Mark()
            let task = Task { await executor.run(language, mark.line(language) + endless[language], host: host) }
            try await eventually("the script prints") { !host.lines.isEmpty }
            let zygote = try #require(mark.zygote)
            kill(pid_t(zygote), SIGKILL)
            guard case .lost = await task.value.ending else {
                Issue.record("\(await task.value.ending)")
                return
            }
            try await eventually("the script is gone") { mark.pids.isEmpty }
            #expect(await executor.run(language, "return 1;").result?.returned?.integer == 1)
        }
    }

    @Test(arguments: [ScriptLanguage.php, .python3])
    func `A zygote that has forked often enough is replaced, and loses nothing`(_ language: ScriptLanguage) async throws
    {
        let source = Sources(
            php: "return $platform['api']->get('seen')['status_code'];",
            python3: "return platform.api.get('seen').status"
        )[language]
        let options = ExecutionOptions(zygotes: 1, forksPerZygote: 5, parked: 1)
        try await withExecutor(options) { executor in
            let jobs = Mutex<[Int: Int]>([:])
            for _ in 0..<20 {
                let mark = Mark()
                let host = TestHost { _ in
                    jobs.withLock { $0[mark.zygote ?? 0, default: 0] += 1 }
                    return APIReply(status: 200, headers: [], body: [])
                }
                #expect(try await executor.value(language, mark.line(language) + source, host: host).integer == 200)
            }
            let served = jobs.withLock { $0 }
            #expect(served[0] == nil)
            #expect(served.values.reduce(0, +) == 20)
            #expect(served.values.allSatisfy { $0 <= 5 }, "\(served)")
            try await eventually("the old zygotes are gone") { served.keys.count(where: isAlive) <= 1 }
        }
    }

    @Test func `When cell is killed, everything is started anew`() async throws {
        try await withPlace { executor, place in
            let cell = try #require(place.cell)
            let before = place.processes
            let directory = try #require(names(in: place.folder).first)
            kill(pid_t(cell), SIGKILL)
            try await eventually("Python answers again") {
                await executor.run(.python3, "return 1").result?.returned?.integer == 1
            }
            try await eventually("the old processes are gone") { !before.contains(where: isAlive) }
            try await eventually("the old directory is gone") { !names(in: place.folder).contains(directory) }
        }
    }

    @Test func `A parked process that dies is replaced`() async throws {
        try await withPlace { executor, place in
            try await eventually("a process is parked") { !place.running("harness.js").isEmpty }
            let before = place.running("harness.js")
            for pid in before { kill(pid_t(pid), SIGKILL) }
            try await eventually("another one is parked") {
                !Set(place.running("harness.js")).subtracting(before).isEmpty
            }
            try await eventually("Node.js answers again") {
                await executor.run(.nodejs, "return 1;").result?.returned?.integer == 1
            }
        }
    }
}
