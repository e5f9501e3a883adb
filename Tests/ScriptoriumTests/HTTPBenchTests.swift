import Core
import FoundationEssentials
import TestSupport
import Testing

/// The benchmarks that start an installation: the shape of what they find, that they look at what they get, and that nothing
/// of them stays.
@Suite(.serialized) struct HTTPBenchTests {
    @Test(arguments: [("python3", 1), ("php", 3)])
    func `Calls over HTTP are measured from their caller and back`(language: String, callers: Int) async throws {
        let figures = try await Self.figures([
            "invoke", "--language", language, "--concurrency", "\(callers)", "--seconds", "0.2",
        ])
        #expect(figures["bench"]?.string == "invoke")
        #expect(figures["language"]?.string == language)
        #expect(figures["concurrency"]?.integer == callers)
        for kind in ["hot", "cold"] {
            let sample = try #require(figures[kind])
            #expect(try #require(sample["calls"]?.integer) >= callers)
            let quantiles = ["p50_ms", "p95_ms", "p99_ms"].compactMap { sample[$0]?.double }
            #expect(quantiles.count == 3 && quantiles == quantiles.sorted() && quantiles[0] > 0)
            #expect(try #require(sample["requests_per_second"]?.double) > 0)
        }
        let split = try #require(figures["split"])
        #expect(split["jobs"]?.integer == figures["hot"]?["calls"]?.integer)
        for part in ["ingress", "queue", "run", "finish", "return"] {
            #expect(try #require(split["\(part)_p50_ms"]?.double) > 0, "\(part)")
        }
        let ratio = try #require(figures["ratio_to_cold"]?.double)
        #expect(ratio > 0)
        #expect(figures["goals"]?.elements.compactMap { $0["met"]?.bool }.count == (callers == 1 ? 1 : 0))
    }

    @Test func `Those who wait are counted, and all answered`() async throws {
        let figures = try await Self.figures(["wait", "--waiters", "120"])
        #expect(figures["waiters"]?.integer == 120)
        let before = try #require(figures["ingress_mb_before"]?.double)
        #expect(before > 1)
        #expect(try #require(figures["ingress_mb_waiting"]?.double) >= before)
        // A listener and a pool at least.
        #expect(try #require(figures["connections"]?.integer) >= 2)
        #expect(try #require(figures["seconds_to_answer_all"]?.double) > 0)
        #expect(figures["goals"]?.elements.map { $0["goal"]?.string } == ["kb_per_waiter", "connections"])
    }

    @Test func `A first start is measured to its first answer`() async throws {
        let figures = try await Self.figures(["start"])
        let ready = try #require(figures["ready_seconds"]?.double)
        #expect(ready > 0)
        #expect(try #require(figures["first_answer_seconds"]?.double) >= ready)
        let processes = try #require(figures["processes"]?.elements)
        #expect(Set(["scriptorium", "postgres", "cell"]).isSubset(of: processes.compactMap { $0["name"]?.string }))
        let sum = processes.reduce(0) { $0 + ($1["mb"]?.double ?? 0) }
        #expect(abs(try #require(figures["idle_mb"]?.double) - sum) < 0.1)
    }

    @Test func `A script that does not answer has no figures`() async throws {
        let program = try await TestProgram(
            ["bench", "invoke", "--language", "php", "--seconds", "0.2"],
            environment: ["SCRIPTORIUM_PHP_PATH": "/bin/true"])
        #expect(try await program.end() == 1)
        #expect(program.text.contains("SCRIPTORIUM_PHP_PATH"), "\(program.text)")
    }

    @Test func `Ctrl-C leaves nothing behind`() async throws {
        let program = try await TestProgram(["bench", "invoke", "--language", "python3", "--seconds", "30"])
        _ = try await program.line(after: "measuring")
        let cluster = try await program.line(after: "creating a PostgreSQL cluster in ")
        #expect(FileManager.default.fileExists(atPath: cluster))
        program.signal(2)
        #expect(try await program.end() == 1)
        #expect(program.text.contains("stopped by a signal"))
        #expect(!FileManager.default.fileExists(atPath: cluster))
        let folder = cluster.split(separator: "/").dropLast().joined(separator: "/")
        #expect(!FileManager.default.fileExists(atPath: "/\(folder)"))
        // Its programs were told their settings by a file in that folder.
        #expect(Self.commands.allSatisfy { !$0.contains(folder) })
    }

    @Test func `A database of somebody else's is used and keeps nothing that lives`() async throws {
        let url = try await TestPostgres.database()
        let figures = try await Self.figures(["wait", "--waiters", "10", "--database-url", url])
        #expect(figures["waiters"]?.integer == 10)
        let again = try await Self.figures(
            [
                "invoke", "--language", "python3", "--seconds", "0.1", "--database-url", url,
            ], environment: [:])
        #expect(again["bench"]?.string == "invoke")
    }

    @Test(arguments: [
        (["wait", "--waiters", "9"], "--waiters"), (["invoke", "--language", "php", "--seconds", "0"], "--seconds"),
        (["invoke", "--language", "php", "--concurrency", "0"], "--concurrency"),
        (["invoke", "--language", "cobol"], "cobol"),
    ])
    func `What they can not do is told`(arguments: [String], word: String) async throws {
        let program = try await TestProgram(["bench"] + arguments)
        #expect(try await program.end() == 64)
        #expect(program.text.contains(word))
    }

    /// The command lines of all processes.
    private static var commands: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { name in
            Int(name) == nil ? nil : FileManager.default.contents(atPath: "/proc/\(name)/cmdline")
        }.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func figures(_ arguments: [String], environment: [String: String] = [:]) async throws -> JSONText {
        let program = try await TestProgram(["bench"] + arguments + ["--json"], environment: environment)
        let code = try await program.end(within: .seconds(120))
        #expect(code == 0, "\(program.text.suffix(2000))")
        // Both outputs are in one file: the figures are the last line.
        return try JSONText(checking: String(program.text.split(separator: "\n").last ?? ""))
    }
}
