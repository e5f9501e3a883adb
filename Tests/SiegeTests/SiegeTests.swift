import Core
import Execution
import Glibc
import TestSupport
import Testing

/// Hostile scripts, through the way of every script, in each tier that this machine allows.
///
/// After each of them a plain script of the same tenant and those of others run at once, and no interpreter was started
/// anew; in the end nothing is left.
@Suite(.serialized) struct SiegeTests {
    private static let languages: [ScriptLanguage] =
        [.python3, .php, .nodejs, .v8js] + (Python2.isHere ? [.python] : [])

    /// Tier A needs root.
    private static let tiers: [SandboxTier] = geteuid() == 0 ? [.a, .b, .c] : [.b, .c]

    @Test(arguments: tiers)
    func `No script harms anybody but itself`(_ tier: SandboxTier) async throws {
        let tables = try Self.languages.map { try AttackTable($0) }
        try await Siege.lay(on: tier) { siege in
            let zygotes = siege.zygotes
            #expect(zygotes.count >= 2)
            await withDiscardingTaskGroup { group in
                for table in tables {
                    group.addTask {
                        for attack in table.attacks { await Self.withstand(attack, siege) }
                    }
                }
            }
            #expect(siege.zygotes == zygotes)
        }
    }

    /// The same once more, as many run the program: as a user of no rights, who has no control groups.
    @Test(
        .enabled(if: geteuid() == 0, "the siege was laid as an ordinary user already"),
        .enabled(if: TestProgram.isForEverybody, "the tests were built where only root can read them"))
    func `No script harms anybody but itself where the program is not root`() async throws {
        let user = "65534"
        let program = try await TestProgram(
            path: "/usr/bin/setpriv",
            ["--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig", "KILL", "--", TestProgram.bundle]
                + ["--testing-library", "swift-testing", "--filter", "No script harms anybody but itself"])
        let code = try await program.end(within: .seconds(300))
        #expect(code == 0, "\(program.text)")
        #expect(program.text.contains("with 2 test cases passed"), "\(program.text)")
    }

    private static func withstand(_ attack: Attack, _ siege: Siege) async {
        guard let expected = attack.ends[siege.tier] else { return }
        let what = "\(siege.tier.rawValue) \(attack.language.rawValue): \(attack.name)"
        let report = await siege.run(attack)
        if let end = Attack.End(report.ending) {
            #expect(expected.isMet(by: end), "\(what)")
        } else {
            Issue.record("\(what) ends with \(report.ending)")
        }
        for (language, tenant) in [(attack.language, "mallory"), (.python3, "bob"), (.php, "alice")] {
            let plain = await siege.run(language, "return 1;", tenant: tenant)
            #expect(Attack.End(plain.ending) == .value("1"), "after \(what)")
        }
    }

    @Test func `Every row of a table says how it ends`() throws {
        for language in ScriptLanguage.allCases {
            let attacks = try AttackTable(language).attacks
            #expect(attacks.count > (language == .v8js || language == .python ? 30 : 50))
            #expect(attacks.filter(\.ends.isEmpty).map(\.name) == [])
            #expect(Set(attacks.map(\.name)).count == attacks.count)
        }
    }

    @Test func `Hundreds of scripts leave nothing behind`() async throws {
        try await Siege.lay(on: geteuid() == 0 ? .a : .b) { siege in
            @Sendable func runSome(_ count: Int) async {
                await withDiscardingTaskGroup { group in
                    for lane in 0..<4 {
                        group.addTask {
                            for number in 0..<count / 4 {
                                let (language, source, end) = Self.soak[(number + lane) % Self.soak.count]
                                let report = await siege.run(language, source)
                                #expect(Attack.End(report.ending) == end)
                            }
                        }
                    }
                }
            }
            // What is made once, such as a first page of everything, is there before it is measured.
            await runSome(40)
            let before = try await siege.holdingsAtRest
            await runSome(300)
            let after = try await siege.holdingsAtRest
            #expect(after.descriptors <= before.descriptors + 4)
            #expect(after.threads == before.threads)
            #expect(after.memoryBytes < before.memoryBytes + 8 << 20)
            #expect(after.files == before.files)
        }
    }

    /// Of every sort of end one.
    private static let soak: [(ScriptLanguage, String, Attack.End)] = [
        (.python3, "open('/tmp/x', 'w').write('x' * 100000)\nreturn 1", .value("1")),
        (.php, "return 1;", .value("1")),
        (.python3, "import os\nif os.fork() == 0:\n    while True: pass\nreturn 1", .value("1")),
        (.php, "exit(3);", .exited(3)),
        (.python3, "import os\nos.abort()", .crashed(6)),
        (
            .python3, "import os\nos.write(3, b'garbage garbage')\nwhile True: pass",
            .violation("the script sent a frame of type 97")
        ),
        (.php, "$kept = []; while (true) $kept[] = str_repeat('x', 1 << 20);", .limit("memory_bytes")),
    ]
}

extension Siege {
    /// What is held when every script has ended, and as many wait as before.
    fileprivate var holdingsAtRest: Holdings {
        get async throws {
            var last = holdings
            var still = 0
            try await eventually("the processes come to rest") {
                let now = holdings
                still = now.processes == last.processes && now.groups == last.groups ? still + 1 : 0
                last = now
                return still == 20
            }
            return last
        }
    }
}
