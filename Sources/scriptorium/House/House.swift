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
    private let migrator: Migrator
    private let logger: Logger

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
        migrator = Migrator(url: options.listenURL ?? options.url, migrations: Migration.embedded, logger: logger)
        platform = Platform(
            catalog: catalog, queue: queue, waiters: try await queue.makeWaiters(logger: logger), executor: executor,
            tokens: await SessionTokens(keyRing), settings: settings, logger: logger)
    }

    /// What every role needs, in the order of the start; a stop goes the other way.
    var foundation: [any Service] {
        [
            database, listener, catalog, queue, platform.waiters, executor, QueueUpkeep(queue: queue, logger: logger),
        ]
    }

    /// Why the process can not serve; nil where it can.
    func unreadiness() async -> String? {
        do {
            let pending = try await migrator.status().filter { $0.appliedAt == nil }
            if let first = pending.first {
                return "migration \(first.number) is not applied: run 'scriptorium migrate'"
            }
            let skew = try await queue.clockSkew { Timestamp.now.microseconds }
            if skew > JobQueue.clockTolerance || skew < .zero - JobQueue.clockTolerance {
                return "this machine's clock is more than a minute off the database's"
            }
            return nil
        } catch {
            return "the database can not be reached"
        }
    }

    /// Runs services until SIGTERM or SIGINT; what runs then gets its grace.
    static func run(_ services: [any Service], grace: Duration, logger: Logger) async throws {
        var configuration = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        // A little more than the worker's own grace: it hands back what is left when that is over.
        configuration.maximumGracefulShutdownDuration = grace + .seconds(10)
        try await ServiceGroup(configuration: configuration).run()
    }
}
