import Core
import Execution
import FoundationEssentials
import TestSupport
import Testing

/// Packages that the operator has put where scripts can import them.
@Suite struct PackageTests {
    private static let sources:
        [ScriptLanguage: (file: String, text: @Sendable (String) -> String, script: @Sendable (String) -> String)] =
            [
                .python3: (
                    "NAME.py", { "word = '\($0)'\n" }, { "import \($0)\nreturn \($0).word" }
                ),
                .nodejs: ("NAME.js", { "exports.word = '\($0)';\n" }, { "return require('\($0)').word;" }),
                .php: ("NAME.php", { "<?php return '\($0)';\n" }, { "return require '\($0).php';" }),
            ]

    @Test(arguments: [SandboxTier.a, .b, .c])
    func everybodySeesTheSharedOnesAndNobodyThoseOfOthers(tier: SandboxTier) async throws {
        let folder = "\(TestFolder.path)/packages-\(tier.rawValue)"
        for (language, source) in Self.sources {
            for (part, name) in [("shared", "common"), ("tenants/acme", "secret"), ("tenants/other", "theirs")] {
                let place = "\(folder)/\(language.rawValue)/\(part)"
                try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
                let file = source.file.replacing("NAME", with: name)
                try Data(source.text("\(name) \(language)").utf8).write(to: URL(filePath: "\(place)/\(file)"))
            }
        }
        try await withExecutor(
            ExecutionOptions(zygotes: 1, parked: 1, mostTier: tier, packages: folder)
        ) { executor in
            for (language, source) in Self.sources {
                func run(_ name: String, _ tenant: String?) async -> AttemptReport.Ending {
                    var attempt = ScriptAttempt(
                        language: language, name: "service.test", source: source.script(name),
                        event: .object([("response", .emptyObject)]), platform: .emptyObject,
                        limits: AttemptLimits(wall: .seconds(20)))
                    attempt.tenant = tenant
                    return await executor.execute(attempt, host: TestHost()).ending
                }
                for tenant in ["acme", "other", "nobody", nil] {
                    #expect(await run("common", tenant).returned?.string == "common \(language)")
                    #expect(
                        await run("secret", tenant).returned?.string
                            == (tenant == "acme" && tier > .c ? "secret \(language)" : nil))
                }
                // What the operator adds while processes wait is seen by the next script.
                let file = source.file.replacing("NAME", with: "later")
                try Data(source.text("later \(language)").utf8).write(
                    to: URL(filePath: "\(folder)/\(language.rawValue)/shared/\(file)"))
                #expect(await run("later", nil).returned?.string == "later \(language)")
            }
        }
    }
}

extension AttemptReport.Ending {
    fileprivate var returned: JSONText? {
        guard case .result(let result) = self, result.error == nil else { return nil }
        return result.returned
    }
}
