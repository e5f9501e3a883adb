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

    @Test(arguments: [0, 36])
    func `What a claim costs is told beside a small backlog`(capped: Int) async throws {
        let figures = try await Self.figures([
            "claim", "--backlog", "8000", "--tenants", "40", "--claims", "12", "--capped", "\(Double(capped) / 40)",
        ])
        #expect(figures["capped"]?.integer == capped)
        for side in ["large", "small"] {
            let side = try #require(figures[side])
            #expect(side["claims"]?.integer == 12)
            for key in ["jobs", "postgres_us_per_job", "buffers_per_claim", "p50_ms", "p99_ms"] {
                #expect(try #require(side[key]?.double) > 0, "\(key)")
            }
        }
        Self.checkGoals(figures, ["ratio_to_small"])
    }

    @Test func `A held snapshot has figures of before, meanwhile and after`() async throws {
        let figures = try await Self.figures(["held", "--hold", "0.6", "--seconds", "0.5", "--tenants", "3"])
        for part in ["before", "during", "after"] {
            #expect(try #require(figures[part]?["jobs_per_second"]?.double) > 0)
            #expect(figures[part]?["postgres_us_per_job"]?.double != nil)
        }
        Self.checkGoals(figures, ["ratio_during"])
    }

    @Test func `What tenants notice of each other is told of each`() async throws {
        let figures = try await Self.figures([
            "fairness", "--seconds", "0.5", "--slots", "4", "--milliseconds", "20", "--crowd", "20",
        ])
        let light = figures["light"]?.elements ?? []
        #expect(light.count == 9)
        for tenant in light {
            #expect(tenant["alone"]?["jobs"]?.integer == tenant["company"]?["jobs"]?.integer)
            #expect(try #require(tenant["company"]?["p50_ms"]?.double) > 0)
        }
        #expect(figures["equals"]?.elements.count == 8)
        #expect(try #require(figures["last"]?.integer) > 0)
        #expect(try #require(figures["last_ms"]?.double) > 0)
        #expect(figures["weighted"]?.elements.count == figures["weights"]?.elements.count)
        Self.checkGoals(figures, ["light_throughput", "light_p99", "jain", "jain_weighted", "last_ms"])
    }

    @Test(arguments: [
        (["queue", "--jobs", "0"], "--jobs"), (["queue", "--tenants", "0"], "--tenants"),
        (["queue", "--workers", "65"], "--workers"), (["queue", "--payload", "8"], "--payload"),
        (["claim", "--backlog", "5", "--tenants", "10"], "--backlog"), (["claim", "--capped", "1"], "--capped"),
        (["held", "--hold", "1", "--seconds", "2"], "--seconds"), (["fairness", "--slots", "0"], "--slots"),
        (["fairness", "--crowd", "0"], "--crowd"),
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
