import Core
import TestSupport
import Testing

/// `scriptorium bench` gives figures of the shape that machines read. What they are is the machine's business.
@Suite struct BenchTests {
    @Test(arguments: ["nodejs", "php", "python3", "v8js"])
    func `A moment of each language gives its figures`(language: String) async throws {
        let figures = try await Self.figures(["--language", language])
        #expect(figures["bench"]?.string == "execute")
        #expect(figures["language"]?.string == language)
        for kind in ["hot", "cold"] {
            let sample = try #require(figures[kind])
            #expect(try #require(sample["jobs"]?.integer) > 0)
            let quantiles = ["p10_ms", "p50_ms", "p99_ms"].compactMap { sample[$0]?.double }
            #expect(quantiles.count == 3 && quantiles == quantiles.sorted() && quantiles[0] > 0)
            #expect(try #require(sample["waited_p50_ms"]?.double) <= quantiles[1])
            for key in ["ended_p50_ms", "cpu_ms_per_job", "jobs_per_second", "jobs_per_second_and_core"] {
                #expect(try #require(sample[key]?.double) > 0, "\(kind) \(key)")
            }
        }
        #expect(figures["fork"]?["count"]?.integer == 10 * (try #require(figures["rounds"]?.integer)))
        #expect(try #require(figures["ratio_to_cold"]?.double) > 0)
        for goal in figures["goals"]?.elements ?? [] { #expect(goal["met"]?.bool != nil) }
        #expect(figures["goals"]?.elements.count == (language == "v8js" ? 0 : 2))
    }

    @Test func `Processes that serve many jobs have goals of their own`() async throws {
        let figures = try await Self.figures(["--language", "nodejs", "--reuse"])
        #expect(figures["reuse"]?.bool == true)
        #expect(try #require(figures["hot"]?["jobs"]?.integer) >= 40)
        #expect(figures["goals"]?.elements.map { $0["limit"]?.double } == [1, 30])
    }

    @Test func `Several callers at the same time are all answered`() async throws {
        let figures = try await Self.figures(["--language", "php", "--concurrency", "8"])
        #expect(figures["hot"]?["jobs"]?.integer == 40 * (try #require(figures["rounds"]?.integer)))
        #expect(figures["goals"]?.elements.isEmpty == true)
    }

    @Test(arguments: [
        (["--language", "cobol"], "cobol"), (["--language", "php", "--seconds", "0"], "--seconds"),
        (["--language", "php", "--concurrency", "0"], "--concurrency"),
        (["--language", "php", "--reuse"], "--reuse"),
    ])
    func `What it can not do is told`(arguments: [String], word: String) async throws {
        let program = try await TestProgram(["bench", "execute"] + arguments)
        #expect(try await program.end() == 64)
        #expect(program.text.contains(word))
    }

    @Test func `A language that does not work here has no figures`() async throws {
        let program = try await TestProgram(
            ["bench", "execute", "--language", "php"], environment: ["SCRIPTORIUM_PHP_PATH": "/bin/true"])
        #expect(try await program.end() == 1)
        #expect(program.text.contains("version"))
    }

    private static func figures(_ arguments: [String]) async throws -> JSONText {
        let program = try await TestProgram(["bench", "execute", "--seconds", "0.2", "--json"] + arguments)
        let code = try await program.end()
        #expect(code == 0, "\(program.text.suffix(2000))")
        return try JSONText(checking: program.text)
    }
}
