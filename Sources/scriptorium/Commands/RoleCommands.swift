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
        try settings.check()
        let logger = try settings.logger()
        let options = try settings.ingress()
        raiseFileLimit()
        let grace = try settings.seconds(.shutdownGrace, 0...3600, default: 30)
        Metering.begin()
        let house = try await House.reaching(settings, as: "ingress", isWorker: false, logger: logger)
        let listeners = try house.listeners(options, settings) { port in
            say("ready http://\(options.host):\(port)")
        }
        // The interpreters are tried before: scripts are checked here when they are saved.
        try await house.run(listeners, settings, isWorker: false, grace: grace)
    }
}

/// `scriptorium worker`
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Claims jobs and runs their scripts. Run any number of them.",
        discussion:
            "Needs SCRIPTORIUM_DATABASE_URL and SCRIPTORIUM_SECRET_KEY; 'scriptorium --help' lists all settings.")

    @OptionGroup var role: RoleOptions
    @OptionGroup var sandbox: SandboxOptions

    func run() async throws {
        let settings = try await Settings(file: role.config, flags: sandbox.settings)
        try settings.check()
        let logger = try settings.logger()
        let options = try settings.worker()
        raiseFileLimit()
        Metering.begin()
        let house = try await House.reaching(settings, as: "worker", isWorker: true, logger: logger)
        let worker = Worker(options: options, platform: house.platform, logger: logger)
        let administration = try house.administration(settings.ingress(), settings)
        try await house.run([worker] + administration, settings, isWorker: true, grace: options.grace) {
            say("ready worker \(options.name)")
        }
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
