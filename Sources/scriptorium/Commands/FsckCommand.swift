import ArgumentParser
import Core
import Database
import JobQueue

/// `scriptorium fsck`
struct FsckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fsck", abstract: "Checks that nothing was lost, doubled or mixed up in the database.",
        discussion: """
            Reads the whole queue and changes nothing; it may run while the installation works. Needs
            SCRIPTORIUM_DATABASE_URL. The exit code is 0 where all holds, and 1 where something does not: then keep the
            database as it is, and report the jobs that it names. With --repair it first counts anew what lanes say of
            their runs and of what waits, which is safe at any time; it changes no job.
            """)

    @Flag(help: "Put right what can be counted anew, before the check.")
    var repair = false

    @Flag(help: "Print one JSON object for machines.")
    var json = false

    @OptionGroup var role: RoleOptions

    func run() async throws {
        let settings = try await Settings(file: role.config)
        let logger = try settings.logger()
        let options = try settings.database(as: "fsck")
        try await settings.waitForDatabase(options, logger: logger, limit: .seconds(10))
        let database = Database(options, logger: logger)
        let findings: [QueueAudit.Finding]
        do {
            if repair {
                let mended = try await QueueAudit(database: database).repair()
                progress("lanes put right: \(mended)")
            }
            findings = try await QueueAudit(database: database).findings { progress("checking: \($0)") }
            await database.close()
        } catch {
            await database.close()
            throw error
        }
        let isSound = findings.allSatisfy { $0.count == 0 }
        say(json ? Self.json(findings, isSound).text : findings.map(Self.line).joined(separator: "\n"))
        if !isSound { throw ExitCode(1) }
    }

    private static func line(_ finding: QueueAudit.Finding) -> String {
        guard finding.count > 0 else { return "ok  \(finding.rule)" }
        let jobs = finding.jobs.map(\.description).joined(separator: ", ")
        return "--  \(finding.rule): not so in \(finding.count) cases, such as \(jobs)"
    }

    private static func json(_ findings: [QueueAudit.Finding], _ isSound: Bool) -> JSONText {
        .object([
            ("ok", .bool(isSound)),
            (
                "checks",
                .array(
                    findings.map { finding in
                        .object([
                            ("name", .string(finding.name)), ("rule", .string(finding.rule)),
                            ("count", .integer(finding.count)),
                            ("jobs", .array(finding.jobs.map { .string($0.description) })),
                        ])
                    })
            ),
        ])
    }
}
