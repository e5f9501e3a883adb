import Core
import Database
import FoundationEssentials
import Glibc
import TestSupport
import Testing

/// The README's commands, run as a reader would, give the answers that it shows.
@Suite struct ReadmeTests {
    /// A block of commands and what it must print.
    private struct Step {
        var commands: String
        var answer: String
    }

    @Test func itsCommandsGiveItsAnswers() async throws {
        let steps = try Self.steps()
        #expect(steps.count >= 9)
        let folder = "\(TestFolder.path)/readme"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        symlink(Checkout.path("deploy"), "\(folder)/deploy")
        // The reader has the program in the PATH.
        try FileManager.default.createDirectory(atPath: "\(folder)/bin", withIntermediateDirectories: true)
        symlink(TestProgram.binary, "\(folder)/bin/scriptorium")
        // What the quickstart leaves running ends with the reader's shell, whatever happens.
        var script = """
            cd '\(folder)'
            set -u
            PATH="$PWD/bin:$PATH"
            curl() { command curl -sS "$@"; echo; }
            trap 'kill $(sed -n "s/.*as process \\([0-9]*\\):.*/\\1/p" start.log)' EXIT

            """
        for (number, step) in steps.enumerated() {
            // The program that is under test, on a port that is free.
            let commands = step.commands.replacing(
                "deploy/quickstart --keep",
                with: "deploy/quickstart --binary \(TestProgram.binary) --port 0 --keep | tee start.log")
            script += "echo '=== \(number)'\n\(commands)\n"
        }
        script += "echo '=== end'\n"
        try script.write(toFile: "\(folder)/readme.sh", atomically: true, encoding: .utf8)
        let shell = try await TestProgram(
            path: "/bin/bash", ["\(folder)/readme.sh"],
            environment: ["SCRIPTORIUM_DATABASE_URL": try await TestPostgres.database(), "HOME": folder])
        let code = try await shell.end(within: .seconds(120))
        let printed = shell.text
        #expect(code == 0, "\(printed)")
        for (number, step) in steps.enumerated() {
            let begin = try #require(printed.firstRange(of: "=== \(number)\n"), "\(printed.suffix(3000))")
            let rest = printed[begin.upperBound...]
            let part = rest.firstRange(of: "=== ").map { rest[..<$0.lowerBound] } ?? rest
            #expect(Self.matches(part, step.answer), "step \(number) printed:\n\(part)\nand not:\n\(step.answer)")
        }
    }

    @Test func itListsEverySettingWithItsDefault() async throws {
        let readme = try Checkout.text("README.md")
        let help = try await TestProgram(["--help"])
        _ = try await help.end()
        let names = Set(help.text.matches(of: /SCRIPTORIUM_[A-Z0-9_]+/).map { String($0.output) })
        let listed = Set(readme.matches(of: /\| `(SCRIPTORIUM_[A-Z0-9_]+)` \|/).map { String($0.output.1) })
        #expect(!listed.isEmpty)
        #expect(names == listed)
    }

    /// Whether the text holds the answer's pieces, which `…` separates, in their order.
    private static func matches(_ text: Substring, _ answer: String) -> Bool {
        var rest = text.replacing("\r", with: "")[...]
        for line in answer.split(separator: "\n") {
            for piece in line.split(separator: "…") {
                guard let range = rest.firstRange(of: piece) else { return false }
                rest = rest[range.upperBound...]
            }
        }
        return true
    }

    /// The blocks of commands (```sh), each with the block of answers (```answer) behind it.
    private static func steps() throws -> [Step] {
        var steps: [Step] = []
        var kind = ""
        for line in try Checkout.text("README.md").split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                kind = String(line.dropFirst(3))
                if kind == "sh" { steps.append(Step(commands: "", answer: "")) }
            } else if kind == "sh" {
                steps[steps.count - 1].commands += line + "\n"
            } else if kind == "answer" {
                steps[steps.count - 1].answer += line + "\n"
            }
        }
        return steps
    }
}
