import Database
import Logging

/// The wait for the database at the start of a process: as long as the server is merely away, and no longer where a
/// setting is wrong.
struct DatabaseWait {
    /// The setting that says where the database is.
    let setting: Setting
    let url: String
    /// What is going to be done there beside transactions.
    let uses: Set<Use>
    let logger: Logger
    /// When to give up on a server that is away; nil: never.
    var limit: Duration?

    enum Use {
        case listening, preparing
    }

    /// How long what is either a slip of the pen or trouble that passes may last.
    private static let doubt = Duration.seconds(20)
    private static let oldestVersion: Int32 = 150_000

    /// Returns when the server answers.
    /// - Throws: ``Settings/Invalid``, which names the setting, the cause and what to do; `CancellationError`.
    func pass() async throws {
        let address: String
        do {
            address = try DatabaseAddress(url: url).description
        } catch {
            throw invalid(error.message)
        }
        let clock = ContinuousClock()
        let begun = clock.now
        var told: ContinuousClock.Instant?
        while true {
            let cause: DatabaseError
            switch await ConnectionTrial.run(url: url) {
            case .connected(let version, let lasting):
                guard version >= Self.oldestVersion else {
                    throw invalid(
                        "the server at \(address) is PostgreSQL \(version / 10_000), and 15 or newer is needed")
                }
                return try check(lasting, at: address)
            case .refused(let error):
                throw invalid("\(address) can not be used: \(error.message). \(Self.remedy(error))")
            case .doubtful(let error):
                guard begun.duration(to: clock.now) < Self.doubt else {
                    throw invalid("\(address) can not be used: \(error.message). \(Self.remedy(error))")
                }
                cause = error
            case .away(let error):
                if let limit, begun.duration(to: clock.now) > limit {
                    throw invalid(
                        "\(address) does not answer: \(error.message). Start the server, or correct the host.")
                }
                cause = error
            }
            // At once, and then now and then.
            if told.map({ $0.duration(to: clock.now) > .seconds(10) }) ?? true {
                told = clock.now
                logger.warning("waiting for PostgreSQL at \(address)", metadata: ["error": "\(cause)"])
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// - Throws: ``Settings/Invalid`` where a pooler does not let through what is going to be done.
    private func check(_ lasting: Lasting, at address: String) throws {
        let pooler = "at \(address) is a pooler such as PgBouncer in transaction mode"
        if uses.contains(.listening), lasting != .everything {
            throw Settings.Invalid(
                description:
                    "\(Setting.listenURL.variable): \(pooler), through which nobody can listen. Set this to the"
                    + " URL of the server itself.")
        }
        if uses.contains(.preparing), lasting == .nothing {
            throw Settings.Invalid(
                description:
                    "\(Setting.prepare.variable): \(pooler), where prepared statements do not last. Set this to"
                    + " off, or take PgBouncer 1.21 or newer with max_prepared_statements.")
        }
    }

    private func invalid(_ text: String) -> Settings.Invalid {
        Settings.Invalid(description: "\(setting.variable): \(text)")
    }

    private static func remedy(_ error: DatabaseError) -> String {
        switch error.sqlState {
        case "28P01":
            "Correct the user or the password; in a URI special characters are written %XX, such as %40 for @."
        case "3D000": "Make the database (createdb), or correct its name."
        case "42501": "Grant the role CONNECT on the database."
        case let state? where state.hasPrefix("28"):
            "Correct the user, or let it in (CREATE ROLE, and the server's pg_hba.conf)."
        default:
            if error.message.contains("could not translate") {
                "Correct the host."
            } else if error.message.contains("no password supplied") {
                "Give a password in it."
            } else if error.message.contains("SSL") || error.message.contains("certificate") {
                "Give the server a certificate that fits, its authority by sslrootcert, or choose another sslmode."
            } else {
                "Correct the option."
            }
        }
    }
}

extension Settings {
    /// Waits until the database answers at both of its addresses.
    /// - Parameter limit: when to give up; nil: never.
    func waitForDatabase(_ options: DatabaseOptions, logger: Logger, limit: Duration? = nil) async throws {
        var uses: Set<DatabaseWait.Use> = options.prepare ? [.preparing] : []
        if options.listenURL == nil { uses.insert(.listening) }
        try await DatabaseWait(
            setting: .databaseURL, url: options.url, uses: uses, logger: logger, limit: limit
        ).pass()
        guard let listenURL = options.listenURL else { return }
        try await DatabaseWait(
            setting: .listenURL, url: listenURL, uses: [.listening], logger: logger, limit: limit
        ).pass()
    }
}
