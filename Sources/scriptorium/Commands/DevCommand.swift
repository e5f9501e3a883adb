import ArgumentParser
import Core
import Database
import Execution
import FoundationEssentials
import Glibc
import Ingress
import Logging
import Platform
import ServiceLifecycle
import Worker

/// `scriptorium dev`
struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Starts everything on this machine, with a PostgreSQL of its own and a demo tenant.",
        discussion: """
            Prints 'ready URL' when it serves. What a client needs is then in DATA-DIR/credentials.json. Stop it with
            Ctrl-C; the data stays for the next start.
            """)

    @Option(help: "The port to listen on; 0 takes a free one.")
    var port: Int = 8080

    @Option(help: "Where the database and the credentials live.")
    var dataDir: String = ".scriptorium"

    @Option(help: "How many workers run in the process.")
    var workers: Int = 1

    @Flag(name: .customLong("no-demo"), help: "Makes the demo tenant without its sample services.")
    var noDemo = false

    @Flag(help: "Throws away what is in the data directory first.")
    var fresh = false

    @OptionGroup var role: RoleOptions
    @OptionGroup var sandbox: SandboxOptions

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port must be from 0 to 65535.") }
        guard !dataDir.isEmpty else {
            throw ValidationError("--data-dir is empty: give a directory, such as .scriptorium.")
        }
        guard (1...64).contains(workers) else { throw ValidationError("--workers must be from 1 to 64.") }
    }

    func run() async throws {
        let settings = try await Settings(file: role.config, flags: sandbox.settings)
        var logger = try settings.logger()
        // On a terminal the interesting lines are the program's own.
        if settings.text(.logLevel) == nil { logger.logLevel = .warning }
        raiseFileLimit()
        let directory = try dataDirectory()
        try settings.check(ownServer: true)
        let credentialsFile = directory + "/credentials.json"
        let postgres = try await EmbeddedPostgres.start(
            EmbeddedPostgresOptions(dataDirectory: directory + "/postgres", fresh: fresh), logger: logger,
            progress: progress)
        if fresh {
            // The directory is ours alone now: the server's lock says so.
            for name in ["/credentials.json", "/secret_key"] { unlink(directory + name) }
        }
        let known = Credentials(file: credentialsFile)
        do {
            let key = try DevKey(settings, file: directory + "/secret_key")
            let operatorToken = settings.text(.operatorToken) ?? known?.operatorToken ?? RandomSecret.hex(bytes: 32)

            Metering.begin()
            try await migrate(postgres, logger)
            let house = try await House(
                database: settings.database(url: postgres.url, as: "dev"), keyRing: key.ring,
                execution: settings.execution(isWorker: true), platform: settings.platform(), logger: logger)
            try await house.checkKeys(orSay: key.whenWrong)
            try key.keep()
            let demo = try await DemoTenant(catalog: house.catalog).open(known, withServices: !noDemo)
            var options = try settings.ingress()
            options.port = port
            options.operatorToken = operatorToken
            let listeners = try house.listeners(options, settings) { [options, logger] port in
                let credentials = Credentials(
                    url: "http://\(options.host):\(port)", operatorToken: operatorToken, tenant: DemoTenant.name,
                    adminEmail: demo.email, adminPassword: demo.password, apiKey: demo.apiKey,
                    databaseURL: postgres.url)
                await announce(credentials, credentialsFile, house, logger)
            }
            var workerOptions = try settings.worker()
            let name = workerOptions.name
            let crew = (1...workers).map { number in
                workerOptions.name = workers > 1 ? "\(name)/\(number)" : name
                return Worker(options: workerOptions, platform: house.platform, logger: logger)
            }
            try await house.run(crew + listeners, on: [postgres], settings, isWorker: true, grace: workerOptions.grace)
        } catch {
            await postgres.stop()
            throw error
        }
    }

    private func migrate(_ postgres: EmbeddedPostgres, _ logger: Logger) async throws {
        do {
            try await Migrator(url: postgres.url, migrations: Migration.embedded, logger: logger)
                .up(progress: progress)
        } catch let error as DatabaseError where error.code == .schemaMismatch {
            throw Settings.Invalid(
                description: "The data in '\(dataDir)' was made by another version of this program: \(error.message)."
                    + " Here: give another --data-dir, or start with --fresh, which throws away all data.")
        }
    }

    /// Writes the credentials, then says that everything is ready: whoever reads the line finds the file.
    private func announce(
        _ credentials: Credentials, _ file: String, _ house: House, _ logger: Logger
    ) async {
        do {
            for report in try await house.executor.whenReady() {
                if let problem = report.problem { progress("\(report.language.label) is not available: \(problem)") }
            }
            try credentials.write(to: file)
        } catch {
            logger.error("not ready", metadata: ["error": "\(error)"])
            return
        }
        // A log is read by others than a terminal: secrets go to the latter only.
        let isTerminal = isatty(STDERR_FILENO) != 0
        let hidden = "(in the credentials)"
        progress(
            """

              API          \(credentials.url)/api/v2/
              API key      \(isTerminal ? credentials.apiKey : hidden)
              admin        \(credentials.adminEmail)  \(isTerminal ? credentials.adminPassword : hidden)
              credentials  \(file)

            Try it, from another terminal:
              scriptorium invoke hello --data '{"name":"Ada"}' --credentials \(file)
            """)
        say("ready \(credentials.url)")
    }

    /// The absolute path of the data directory, made where it is missing.
    private func dataDirectory() throws -> String {
        let manager = FileManager.default
        let path = dataDir.hasPrefix("/") ? dataDir : manager.currentDirectoryPath + "/" + dataDir
        guard mkdir(path, 0o711) == 0 || errno == EEXIST else {
            throw Settings.Invalid(
                description: "The data directory '\(dataDir)' can not be made: \(String(cString: strerror(errno))).")
        }
        return path
    }
}
