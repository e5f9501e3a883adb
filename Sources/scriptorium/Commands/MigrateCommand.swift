import ArgumentParser
import Database
import Logging

/// `scriptorium migrate`
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Brings the database's tables up to this program.",
        discussion: """
            Safe to run twice, and from several machines at once. Needs SCRIPTORIUM_DATABASE_URL; its user must own the
            database and may create roles, or find the roles scriptorium_tenant and scriptorium_system made for it.
            """)

    enum Action: String, ExpressibleByArgument, CaseIterable {
        case up, status
    }

    @Argument(help: "up applies what is missing; status only lists.")
    var action: Action = .up

    @OptionGroup var role: RoleOptions

    func run() async throws {
        let settings = try await Settings(file: role.config)
        let logger = try settings.logger()
        let options = try settings.database(as: "migrate")
        // A server that is being started beside it gets its time; a wrong setting does not.
        try await settings.waitForDatabase(options, logger: logger, limit: .seconds(60))
        let migrator = Migrator(
            url: options.listenURL ?? options.url, migrations: Migration.embedded, logger: logger)
        switch action {
        case .up:
            let applied = try await migrator.up { progress($0) }
            say(applied.isEmpty ? "The database is up to date." : "Applied \(applied.count) migrations.")
        case .status:
            for status in try await migrator.status() {
                say("\(status.number) \(status.name): \(status.appliedAt.map { "applied \($0)" } ?? "missing")")
            }
        }
    }
}
