import Core
import Outbound
import TestSupport
import Testing

/// `platform.lookup(name)` in every language, and `{name}` where another test has no row for the language (contract.md §10).
@Suite struct LookupAskTests {
    static let scripts: [String: String] = [
        "nodejs":
            "return (async () => ({a: await platform.lookup('secret'), b: await platform.lookup('none'), c: '{secret}'}))();",
        "php": "return ['a' => $platform->lookup('secret'), 'b' => $platform['lookup']('none'), 'c' => '{secret}'];",
        "python3": "return {'a': platform.lookup('secret'), 'b': platform.lookup('none'), 'c': '{secret}'}",
        "v8js": "return {a: platform.lookup('secret'), b: platform.lookup('none'), c: '{secret}'};",
    ]

    @Test(arguments: scripts.keys.sorted())
    func aScriptAsksForAPrivateValue(language: String) async throws {
        let tenant = try await TestInstallation.shared().tenant()
        // A value that would end the string that it stands in, were it pasted.
        let value = #"hush' + "x` ${1} \ "#
        let made = try await tenant.administer(
            "POST", "lookup", #"{"name":"secret","value":\#(JSONText.quoted(value)),"private":true}"#, ingress: 0)
        try #require(made.status == 201, "\(made.text)")
        try await tenant.save("asker", language, try #require(Self.scripts[language]))
        let expected = JSONText.object([("a", .string(value)), ("b", .null), ("c", .string(value))])
        try await eventually("the other processes know the lookup", within: .seconds(10)) {
            let reply = try await tenant.send("GET", "/api/v2/asker", ingress: 0)
            return try JSONText(checking: reply.body).isLike(expected)
        }
    }
}
