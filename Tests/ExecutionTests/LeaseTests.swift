import Core
import Execution
import Glibc
import TestSupport
import Testing

/// What becomes of scripts whose worker says nothing.
@Suite struct LeaseTests {
    static let endless = Sources(
        nodejs: "console.log('here'); while (true);", php: "echo \"here\\n\"; while (true);",
        python3: """
            import ctypes, os, time
            ctypes.CDLL(None).prctl(1, 0)  # its zygote's end is not to be its own
            os.setsid() if os.fork() == 0 else None
            print('here')
            while True: time.sleep(1)
            """)

    @Test func `Every script ends when the lease is not renewed, and others run when it is`() async throws {
        try await withExecutor { executor in
            let hosts = [ScriptLanguage.nodejs, .php, .python3].map { ($0, TestHost()) }
            let mark = Mark()
            let runs = hosts.map { language, host in
                Task { await executor.run(language, mark.line(language) + Self.endless[language], host: host) }
            }
            try await eventually("the scripts print") { hosts.flatMap(\.1.lines).count == 4 }
            let pids = mark.pids
            #expect(pids.count == 4)
            await executor.renewLease(until: .now + .seconds(60))
            #expect(await executor.run(.python3, "return 1").result?.returned?.integer == 1)
            #expect(pids.allSatisfy(isAlive))

            await executor.renewLease(until: .now + .milliseconds(200))
            for run in runs {
                guard case .lost(let why) = await run.value.ending else {
                    Issue.record("\(await run.value.ending)")
                    continue
                }
                #expect(why.contains("lease"))
            }
            try await eventually("the scripts are gone") { !pids.contains(where: isAlive) }
            guard case .lost(let why) = await executor.run(.python3, "return 1").ending else {
                Issue.record("a script ran without a lease")
                return
            }
            #expect(why.contains("lease"))
            // Only to look at a source needs no lease.
            #expect(await executor.check("x = (", language: .python3, name: "service.test")?.kind == .syntax)

            await executor.renewLease(until: .now + .seconds(60))
            for language in ScriptLanguage.everyday {
                #expect(await executor.run(language, "return 1;").result?.returned?.integer == 1)
            }
        }
    }

    @Test func `A cell that is started anew knows the lease`() async throws {
        try await withPlace { executor, place in
            let cell = try #require(place.cell)
            await executor.renewLease(until: .now + .seconds(5))
            kill(pid_t(cell), SIGKILL)
            // It begins on the new one as soon as that is ready, and runs until the time is over.
            var report: AttemptReport
            repeat {
                report = await executor.run(.python3, "while True: pass", wall: .seconds(60))
            } while report.isLost(by: "cell")
            #expect(report.isLost(by: "lease"), "\(report.ending)")
        }
    }
}

extension AttemptReport {
    /// Whether our own machinery failed, for a reason that names `what`.
    fileprivate func isLost(by what: String) -> Bool {
        if case .lost(let why) = ending { why.contains(what) } else { false }
    }
}
