import Catalog
import Database
import Logging
import Platform

extension House {
    /// The house against the configured database, waiting for the server and for its migrations where they are not there
    /// yet.
    /// - Throws: ``Settings/Invalid`` where the database can not be used as it is configured, or where its data was sealed
    ///   with other secret keys.
    static func reaching(
        _ settings: Settings, as role: String, isWorker: Bool, logger: Logger
    ) async throws -> House {
        let database = try settings.database(as: role)
        let keyRing = try settings.keyRing()
        let execution = try settings.execution(isWorker: isWorker)
        let platform = try settings.platform()
        let migrator = Migrator(
            url: database.listenURL ?? database.url, migrations: Migration.embedded, logger: logger)
        while true {
            try await settings.waitForDatabase(database, logger: logger)
            do {
                guard try await Self.isMigrated(migrator) else {
                    logger.warning("waiting for the migrations: run 'scriptorium migrate'")
                    try await Task.sleep(for: .seconds(2))
                    continue
                }
                let house = try await House(
                    database: database, keyRing: keyRing, execution: execution, platform: platform, logger: logger)
                try await house.checkKeys(
                    orSay: "\(Setting.secretKey.variable) is not the key that the data of this installation is sealed"
                        + " with. Give every process the same key. While keys change, it is a list: the new one, a"
                        + " comma, the old ones.")
                return house
            } catch let error as DatabaseError where error.isTemporary {
                logger.warning("waiting for the database", metadata: ["error": "\(error)"])
                try await Task.sleep(for: .milliseconds(500))
            } catch let error as DatabaseError where error.code == .insufficientPrivilege {
                throw Settings.Invalid(
                    description: "\(Setting.databaseURL.variable): its user may not use Scriptorium's tables:"
                        + " \(error.message). Take the user that ran 'scriptorium migrate': the tables are its own.")
            }
        }
    }

    /// Whether every migration of this program is applied. Later ones may be as well: they keep what this program uses.
    /// - Throws: ``Settings/Invalid`` where one was applied from another text; `DatabaseError`.
    private static func isMigrated(_ migrator: Migrator) async throws -> Bool {
        let known = Set(Migration.embedded.map(\.number))
        let statuses = try await migrator.status().filter { known.contains($0.number) }
        if let other = statuses.first(where: \.isForeign) {
            throw Settings.Invalid(
                description: "\(Setting.databaseURL.variable): the database was made by another program: its migration"
                    + " \(other.number) \(other.name) is not the one of this program. Use that program, or a new"
                    + " database.")
        }
        return statuses.allSatisfy { $0.appliedAt != nil }
    }

    /// Refuses to go on with secret keys that open nothing of what is stored.
    /// - Parameter message: what is wrong then, and what to do about it.
    /// - Throws: ``Settings/Invalid``, `DatabaseError`; the house is abandoned then.
    func checkKeys(orSay message: String) async throws {
        let trial: Catalog.KeyTrial
        do {
            trial = try await catalog.tryKeys()
        } catch {
            await abandon()
            throw error
        }
        guard !trial.isHopeless else {
            await abandon()
            throw Settings.Invalid(description: message)
        }
        guard let first = trial.closed.first else { return }
        logger.error(
            "tenants are sealed with a key that is not in SCRIPTORIUM_SECRET_KEY: their calls will fail",
            metadata: ["tenants": "\(trial.closed.count)", "first": "\(first)"])
    }
}
