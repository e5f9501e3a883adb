import Core
import Testing

@testable import Execution

/// The libraries that scripts expect.
@Suite struct LibraryTests {
    @Test func `What is missing is told with its package`() throws {
        #expect(
            ScriptLanguage.nodejs.missingLibraries(in: ["/nowhere"]) == [
                "The library 'lodash' is missing, which scripts may require: install the Debian package node-lodash.",
                "The library 'async' is missing, which scripts may require: install the Debian package node-async.",
            ])
    }

    @Test func `What is reported missing is what scripts can not require`() async throws {
        let executor = Shared.executor
        let report = try #require(try await executor.whenReady().first { $0.language == .nodejs })
        for library in ScriptLanguage.nodejs.libraries {
            let result = await executor.run(.nodejs, "require('\(library.name)'); return 1;").result
            if report.missingLibraries.contains(where: { $0.contains("'\(library.name)'") }) {
                #expect(
                    result?.error?.message
                        == "Cannot find module '\(library.name)': it is not installed where scripts run (Debian package \(library.package))"
                )
            } else {
                #expect(result?.returned?.integer == 1)
            }
        }
    }

    @Test func `A module that is not there names no path`() async {
        let error = await Shared.executor.run(.nodejs, "\nrequire('none');").result?.error
        #expect(error?.message.contains("Cannot find module 'none'") == true)
        #expect(error?.message.contains("/") == false)
        #expect(error?.line == 2)
        let stack = await Shared.executor.run(
            .nodejs, "try { require('none') } catch (error) { return error.requireStack.concat(error.message) }")
        #expect(stack.result?.returned?.text.contains("harness") == false)
    }
}
