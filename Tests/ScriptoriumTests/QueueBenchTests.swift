import Core
import TestSupport
import Testing

/// The benchmarks of the queue give figures of the shape that machines read, and check what they get. What the figures are is
/// the machine's business.
@Suite struct QueueBenchTests {
    @Test(arguments: [1, 20])
    func `A job's way through the queue has its figures beside the ceiling`(tenants: Int) async throws {
        let figures = try await Self.figures(
            ["queue", "--jobs", "400", "--tenants", "\(tenants)", "--workers", "2", "--payload", "64"])
        #expect(figures["jobs"]?.integer == 400)
        for key in [
            "jobs_per_second", "ceiling_jobs_per_second", "ceiling_ratio", "postgres_us_per_job", "client_us_per_job",
            "wal_bytes_per_job",
        ] {
            #expect(try #require(figures[key]?.double) > 0, "\(key)")
        }
        #expect(figures["rounds"]?.integer == 3)
        Self.checkGoals(figures, ["ceiling_ratio", "postgres_us_per_job", "wal_bytes_per_job"])
    }

    @Test(arguments: [
        (["queue", "--jobs", "0"], "--jobs"), (["queue", "--tenants", "0"], "--tenants"),
        (["queue", "--workers", "65"], "--workers"), (["queue", "--payload", "8"], "--payload"),
    ])
    func `What it can not do is told`(arguments: [String], word: String) async throws {
        let program = try await TestProgram(["bench"] + arguments)
        #expect(try await program.end() == 64)
        #expect(program.text.contains(word))
    }

    private static func figures(_ arguments: [String]) async throws -> JSONText {
        let program = try await TestProgram(["bench"] + arguments + ["--json"])
        let code = try await program.end()
        #expect(code == 0, "\(program.text.suffix(2000))")
        return try JSONText(checking: program.text)
    }

    private static func checkGoals(_ figures: JSONText, _ keys: [String]) {
        let goals = figures["goals"]?.elements ?? []
        #expect(goals.map { $0["goal"]?.string } == keys)
        for goal in goals { #expect(goal["met"]?.bool != nil && goal["limit"]?.double != nil) }
    }
}
