import Core
import Testing

@Suite struct QuotasTests {
    @Test func whatIsGivenReplacesTheDefault() throws {
        let quotas = Quotas(json: try JSONText(checking: #"{"wall_seconds":0.5,"max_body_bytes":100}"#))
        #expect(quotas.wallSeconds == 0.5)
        #expect(quotas.maxBodyBytes == 100)
        #expect(quotas.asyncWallSeconds == 3600)
    }

    @Test(arguments: [
        "[]", #"{"nonsense":1}"#, #"{"wall_seconds":"5"}"#, #"{"wall_seconds":-1}"#, #"{"max_body_bytes":1e12}"#,
        #"{"call_depth":65}"#, #"{"egress":"all"}"#, #"{"egress":[5]}"#, #"{"min_tier":"D"}"#, #"{"min_tier":"none"}"#,
    ])
    func aWrongOneIsNamed(text: String) throws {
        let json = try JSONText(checking: text)
        let error = #expect(throws: Quotas.Invalid.self) { try Quotas.check(json) }
        if let key = json.members.first?.key { #expect(error?.message.contains(key) == true) }
    }

    @Test func everyQuotaOfTheContractIsKnownAndMayBeLifted() throws {
        let keys = """
            rate_per_second rate_burst max_queued max_concurrent weight max_body_bytes sync_wait_seconds
            sync_wait_max_seconds retention_seconds min_tier wall_seconds async_wall_seconds cpu_seconds memory_bytes
            max_processes tmp_bytes log_bytes response_bytes api_calls call_depth jobs_per_day cpu_seconds_per_day egress
            """.split { $0 == " " || $0 == "\n" }
        let lifted = try JSONText(checking: "{" + keys.map { "\"\($0)\":null" }.joined(separator: ",") + "}")
        try Quotas.check(lifted)
        #expect(Quotas(json: lifted).wallSeconds == 86_400)
        try Quotas.check(
            try JSONText(checking: #"{"egress":["api.example","10.0.0.0/8"],"min_tier":"B","weight":2.5}"#))
    }

    @Test(arguments: [
        ("{}", Quotas.Egress.platform), (#"{"egress":"platform"}"#, .platform), (#"{"egress":null}"#, .platform),
        (#"{"egress":"none"}"#, .none),
        (#"{"egress":["10.0.0.0/8","a.example"]}"#, .allow(["10.0.0.0/8", "a.example"])),
    ])
    func whereCallsMayGoIsRead(text: String, egress: Quotas.Egress) throws {
        #expect(Quotas(json: try JSONText(checking: text)).egress == egress)
    }

    @Test(arguments: [
        ("{}", SandboxTier?.none), (#"{"min_tier":null}"#, nil), (#"{"min_tier":"C"}"#, .c), (#"{"min_tier":"B"}"#, .b),
        (#"{"min_tier":"A"}"#, .a),
    ])
    func theTierThatIsDemandedIsRead(text: String, tier: SandboxTier?) throws {
        #expect(Quotas(json: try JSONText(checking: text)).minTier == tier)
    }

    @Test func aServiceLowersTheWallLimitAndNeverRaisesIt() throws {
        let lower = ScriptSettings(config: try JSONText(checking: #"{"wall_seconds":2.5}"#))
        #expect(lower.limits(Quotas(), asynchronous: false).wall == .seconds(2.5))
        #expect(lower.limits(Quotas(), asynchronous: true).wall == .seconds(2.5))
        let higher = ScriptSettings(config: try JSONText(checking: #"{"wall_seconds":100000}"#))
        #expect(higher.limits(Quotas(), asynchronous: false).wall == .seconds(60))
        #expect(higher.limits(Quotas(), asynchronous: true).wall == .seconds(3600))
    }

    /// A service's key, what its tenant may have, and where the limits of an attempt have it.
    private static let lowered: [(key: String, most: Double, of: @Sendable (AttemptLimits) -> Double)] = [
        ("cpu_seconds", 30, { $0.cpu.seconds }), ("memory_bytes", Double(256 << 20), { Double($0.memoryBytes) }),
        ("max_processes", 32, { Double($0.processes) }), ("tmp_bytes", Double(64 << 20), { Double($0.tmpBytes) }),
        ("log_bytes", Double(1 << 20), { Double($0.logBytes) }),
        ("response_bytes", Double(10 << 20), { Double($0.responseBytes) }),
        ("api_calls", 1000, { Double($0.apiCalls) }), ("wall_seconds", 60, { $0.wall.seconds }),
    ]

    @Test(arguments: lowered.indices)
    func aServiceLowersALimitAndNeverRaisesIt(row: Int) throws {
        let (key, most, value) = Self.lowered[row]
        func limit(_ config: String, _ quotas: String = "{}") throws -> Double {
            let config = try JSONText(checking: config)
            try ScriptSettings.check(config, language: .php)
            let quotas = Quotas(json: try JSONText(checking: quotas))
            return value(ScriptSettings(config: config).limits(quotas, asynchronous: false))
        }
        #expect(try limit("{}") == most)
        #expect(try limit("{\"\(key)\":null}") == most)
        #expect(try limit("{\"\(key)\":\(Int(most / 2))}") == most / 2)
        #expect(try limit("{\"\(key)\":\(Int(most * 2))}") == most)
        // What is lifted is bounded by the installation alone, and a service still lowers it.
        #expect(try limit("{}", "{\"\(key)\":null}") == Quotas.ranges[key]?.upperBound)
        #expect(try limit("{\"\(key)\":\(Int(most * 2))}", "{\"\(key)\":null}") == most * 2)
        for wrong in ["\"5\"", "-1", "1e300", "true", "[1]"] {
            let config = try JSONText(checking: "{\"\(key)\":\(wrong)}")
            let error = #expect(throws: ScriptSettings.Invalid.self) {
                try ScriptSettings.check(config, language: .php)
            }
            #expect(error?.message.contains("'config.\(key)'") == true)
        }
    }

    /// A config of before its keys were checked is taken as far as it can be.
    @Test func aWrongConfigOfBeforeBreaksNothing() throws {
        let config = try JSONText(
            checking: #"{"memory_bytes":5,"max_processes":1e300,"tmp_bytes":"much","api_calls":-1,"cpu_seconds":1e999}"#
        )
        let limits = ScriptSettings(config: config).limits(Quotas(), asynchronous: false)
        #expect(limits.memoryBytes == 16 << 20)
        #expect(limits.processes == 32)
        #expect(limits.tmpBytes == 64 << 20)
        #expect(limits.apiCalls == 0)
        #expect(limits.cpu == .seconds(30))
    }

    @Test func aCallOfAScriptHasNoMoreTimeThanItsCaller() {
        let outer = AttemptLimits(wall: .seconds(5))
        var inner = AttemptLimits(wall: .seconds(9))
        inner.wallKey = "async_wall_seconds"
        inner.cpu = .seconds(60)
        #expect(inner.within(outer) == outer)
        inner.wall = .seconds(2)
        inner.cpu = .seconds(1)
        #expect(inner.within(outer) == inner)
    }

    @Test func nullMakesTheQueuesQuotasUnlimited() throws {
        let quotas = Quotas()
        #expect(quotas.callRate == CallRate(perSecond: 500, burst: 1000))
        #expect(quotas.maxQueued == 10_000 && quotas.maxConcurrent == 10 && quotas.weight == 1)
        #expect(quotas.jobsPerDay == nil && quotas.cpuSecondsPerDay == nil)
        let given = Quotas(
            json: try JSONText(
                checking: """
                    {"rate_per_second":2.5,"rate_burst":7,"max_queued":3,"max_concurrent":4,"weight":0.5,
                    "jobs_per_day":5,"cpu_seconds_per_day":6.5}
                    """))
        #expect(given.callRate == CallRate(perSecond: 2.5, burst: 7))
        #expect(given.maxQueued == 3 && given.maxConcurrent == 4 && given.weight == 0.5)
        #expect(given.jobsPerDay == 5 && given.cpuSecondsPerDay == 6.5)
        for key in ["rate_per_second", "rate_burst"] {
            #expect(Quotas(json: try JSONText(checking: "{\"\(key)\":null}")).callRate == nil)
        }
        let lifted = Quotas(
            json: try JSONText(
                checking: #"{"max_queued":null,"max_concurrent":null,"weight":null,"jobs_per_day":null}"#))
        #expect(lifted.maxQueued == nil && lifted.maxConcurrent == nil && lifted.jobsPerDay == nil)
        #expect(lifted.weight == 1)
    }

    /// A rate, and the same as whole calls in whole seconds.
    @Test(arguments: [
        (500, 500, 1), (0.01, 1, 100), (2.5, 5, 2), (0.5, 1, 2), (1.0 / 3, 1, 3), (0.3, 3, 10), (.pi, 3, 1),
        (0.0123, 1, 82), (0, 0, 1), (1_000_000, 1_000_000, 1), (1e-300, 0, 1),
    ])
    func aRateIsNamedInWholeNumbers(perSecond: Double, calls: Int, seconds: Int) {
        let window = CallRate(perSecond: perSecond, burst: 1).window
        #expect(window.calls == calls && window.seconds == seconds)
    }

    @Test(arguments: ["1ab", "a", "ab", "-ab", "ab-", "aB", "a_b", String(repeating: "a", count: 41)])
    func aBadTenantNameIsRefused(text: String) {
        #expect(TenantName(text) == nil)
    }

    @Test func aGoodTenantNameIsTaken() {
        #expect(TenantName("abc") != nil)
        #expect(TenantName("a-1-b") != nil)
        #expect(TenantName(String(repeating: "a", count: 40)) != nil)
    }
}
