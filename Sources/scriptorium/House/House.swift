import Catalog
import Core
import Database
import Execution
import Ingress
import JobQueue
import Logging
import Platform
import ServiceLifecycle
import UnixSignals
import Worker

/// The rooms, wired: what an ingress, a worker or both need, as services in the order of their start.
struct House {
    let database: Database
    let listener: Listener
    let catalog: Catalog
    let queue: JobQueue
    let executor: ScriptExecutor
    let platform: Platform
    let readiness: Readiness
    let logger: Logger

    /// Connects the rooms. Nothing serves yet.
    /// - Throws: `DatabaseError` where the database can not be reached for long.
    init(
        database options: DatabaseOptions, keyRing: SecretKeyRing, execution: ExecutionOptions,
        platform settings: PlatformSettings, logger: Logger
    ) async throws {
        self.logger = logger
        database = Database(options, logger: logger)
        listener = Listener(options, logger: logger)
        catalog = Catalog(database: database, listener: listener, keyRing: keyRing, logger: logger)
        queue = JobQueue(database: database, listener: listener, logger: logger)
        executor = ScriptExecutor(execution, logger: logger)
        readiness = Readiness(
            migrator: Migrator(url: options.listenURL ?? options.url, migrations: Migration.embedded, logger: logger),
            queue: queue)
        let waiters: JobWaiters
        do {
            waiters = try await queue.makeWaiters(logger: logger)
        } catch {
            await database.close()
            throw error
        }
        platform = Platform(
            catalog: catalog, queue: queue, waiters: waiters, executor: executor, tokens: await SessionTokens(keyRing),
            settings: settings, logger: logger)
    }

    /// Closes what was opened, where the house is not run.
    func abandon() async { await database.close() }

    /// What every role needs, in the order of the start; a stop goes the other way.
    var foundation: [any Service] {
        [
            database, listener, catalog, queue, platform.waiters, executor, QueueUpkeep(queue: queue, logger: logger),
        ]
    }

    /// Runs the roles on the foundation until SIGTERM or SIGINT; what runs then gets its grace.
    /// - Parameters:
    ///   - below: what the foundation itself stands on, such as a server.
    ///   - settings: those of the interpreters are held against what became of them, before a role begins.
    ///   - isWorker: whether the roles run scripts, and so need the sandbox.
    ///   - begun: called when the roles begin.
    func run(
        _ roles: [any Service], on below: [any Service] = [], _ settings: Settings, isWorker: Bool,
        grace: Duration, begun: @escaping @Sendable () -> Void = {}
    ) async throws {
        let crew = Crew(
            roles: roles,
            opening: { [executor, logger] in
                try settings.check(try await executor.whenReady())
                if isWorker {
                    try settings.checkSandbox(executor.tier, executor.sandboxNotes, logger: logger)
                    Metering.tier(executor.tier)
                }
                begun()
            },
            grace: grace)
        var configuration = ServiceGroupConfiguration(
            services: below + foundation + [crew], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        // Behind the crew's own limit only what hangs is left.
        configuration.maximumGracefulShutdownDuration = grace + .seconds(15)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch let error as ExecutionError where error.code == .cell {
            throw Settings.Invalid(
                description: "\(Setting.cellPath.variable): \(error). The program 'cell' belongs beside scriptorium.")
        } catch let error as Ingress.CanNotListen {
            throw Settings.Invalid(
                description: "\(Setting.host.variable), \(Setting.port.variable) (in dev --port): \(error)")
        }
    }
}
