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
        #"{"call_depth":65}"#, #"{"egress":"all"}"#, #"{"egress":[5]}"#, #"{"min_tier":"D"}"#,
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

    @Test func aServiceLowersTheWallLimitAndNeverRaisesIt() throws {
        let lower = ScriptSettings(config: try JSONText(checking: #"{"wall_seconds":2.5}"#))
        #expect(lower.limits(Quotas(), asynchronous: false).wall == .seconds(2.5))
        #expect(lower.limits(Quotas(), asynchronous: true).wall == .seconds(2.5))
        let higher = ScriptSettings(config: try JSONText(checking: #"{"wall_seconds":100000}"#))
        #expect(higher.limits(Quotas(), asynchronous: false).wall == .seconds(60))
        #expect(higher.limits(Quotas(), asynchronous: true).wall == .seconds(3600))
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
