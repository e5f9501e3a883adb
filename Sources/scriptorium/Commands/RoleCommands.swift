import ArgumentParser
import Core
import Database
import Execution
import Glibc
import Ingress
import Logging
import Platform
import Worker

/// What the commands of a role have in common.
struct RoleOptions: ParsableArguments {
    @Option(help: "A file with settings, one NAME=value a line; the environment wins.")
    var config: String?
}

/// `scriptorium ingress`
struct IngressCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ingress", abstract: "Serves the HTTP API. Run any number of them against one PostgreSQL.",
        discussion:
            "Needs SCRIPTORIUM_DATABASE_URL and SCRIPTORIUM_SECRET_KEY; 'scriptorium --help' lists all settings.")

    @OptionGroup var role: RoleOptions

    func run() async throws {
        let settings = try await Settings(file: role.config)
        let logger = try settings.logger()
        let options = try settings.ingress()
        raiseFileLimit()
        let grace = try settings.seconds(.shutdownGrace, 0...3600, default: 30)
        let house = try await House.reaching(settings, as: "ingress", isWorker: false, logger: logger)
        let ingress = Ingress(
            options: options, platform: house.platform, logger: logger, unreadiness: house.readiness.problem
        ) { port in
            // Scripts are checked here when they are saved: ready is who can.
            _ = try? await house.executor.whenReady()
            say("ready http://\(options.host):\(port)")
        }
        try await house.run([ingress], grace: grace)
    }
}

/// `scriptorium worker`
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Claims jobs and runs their scripts. Run any number of them.",
        discussion:
            "Needs SCRIPTORIUM_DATABASE_URL and SCRIPTORIUM_SECRET_KEY; 'scriptorium --help' lists all settings.")

    @OptionGroup var role: RoleOptions

    func run() async throws {
        let settings = try await Settings(file: role.config)
        let logger = try settings.logger()
        let options = try settings.worker()
        raiseFileLimit()
        let house = try await House.reaching(settings, as: "worker", isWorker: true, logger: logger)
        let worker = Worker(options: options, platform: house.platform, logger: logger)
        say("ready worker \(options.name)")
        try await house.run([worker], grace: options.grace)
    }
}

extension House {
    /// The house against the configured database, waiting for it with progress where it is not there yet.
    static func reaching(
        _ settings: Settings, as role: String, isWorker: Bool, logger: Logger
    ) async throws -> House {
        let database = try settings.database(as: role)
        let keyRing = try settings.keyRing()
        let execution = try settings.execution(isWorker: isWorker)
        let platform = try settings.platform()
        while true {
            do {
                return try await House(
                    database: database, keyRing: keyRing, execution: execution, platform: platform, logger: logger)
            } catch let error as DatabaseError where error.isTemporary {
                logger.warning("waiting for the database", metadata: ["error": "\(error)"])
            } catch let error as DatabaseError where error.isMissingSchema {
                logger.warning("waiting for the migrations: run 'scriptorium migrate'")
                try await Task.sleep(for: .seconds(2))
            }
        }
    }
}

extension DatabaseError {
    /// Whether a table, sequence or function is not there: the migrations were not applied.
    var isMissingSchema: Bool {
        ["42P01", "42883", "42704", "3F000", "22023"].contains(sqlState)
    }
}

/// A line for whoever started the program, at once.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

/// A line of progress, where it does not mix with what the program answers.
func progress(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// Takes as many descriptors as the system lets it: each waiting caller holds one.
func raiseFileLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
