import ArgumentParser
import Core
import Database
import Execution
import Glibc
import JobQueue
import Logging

/// `scriptorium doctor`
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Says what is missing or weak on this machine, and what to do about it.",
        discussion:
            """
            The exit code is 0 where the settings are right, scripts of at least one language can run, and the sandbox holds
            them or need not; else 1.
            """)

    @OptionGroup var role: RoleOptions
    @OptionGroup var sandboxOptions: SandboxOptions

    func run() async throws {
        let settings = try await Settings(file: role.config, flags: sandboxOptions.settings)
        let logger = Logger(label: "scriptorium") { _ in SwiftLogNoOpLogHandler() }
        // 'dev' needs neither a database nor a key.
        let isConfigured = settings.text(.databaseURL) != nil
        let problems = settings.problems(ownServer: !isConfigured)
        for problem in problems { report("--", "settings", "\(problem)") }
        let isAble = await interpreters(settings, logger)
        await postgres(settings, logger)
        limits()
        if !isAble || !problems.isEmpty { throw ExitCode(1) }
    }

    private func report(_ mark: String, _ subject: String, _ text: String) {
        let pad = String(repeating: " ", count: max(0, 12 - subject.count))
        say("\(mark)  \(subject)\(pad)\(text)")
    }

    private func interpreters(_ settings: Settings, _ logger: Logger) async -> Bool {
        // Paths that are wrong are reported already.
        guard let options = try? settings.execution(isWorker: false) else { return false }
        let executor = ScriptExecutor(options, logger: logger)
        let reports: [InterpreterReport]
        let tier: SandboxTier
        let notes: [String]
        do {
            (reports, tier, notes) = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await executor.run() }
                let reports = try await executor.whenReady()
                let (tier, notes) = (executor.tier, executor.sandboxNotes)
                group.cancelAll()
                return (reports, tier, notes)
            }
        } catch {
            report("--", "interpreters", "\(error)")
            return false
        }
        for found in reports {
            if let problem = found.problem {
                report("--", found.language.label, problem)
            } else {
                report("ok", found.language.label, "\(found.version ?? "") at \(found.path ?? "")")
                for missing in found.missingLibraries { report("!!", found.language.label, missing) }
            }
        }
        do {
            try settings.check(reports)
        } catch {
            report("--", "settings", "\(error)")
            return false
        }
        let isContained = sandbox(tier, notes, options)
        return isContained && reports.contains { $0.problem == nil }
    }

    private func postgres(_ settings: Settings, _ logger: Logger) async {
        do {
            report("ok", "PostgreSQL", "server programs for 'scriptorium dev' in \(try EmbeddedPostgres.programs())")
        } catch {
            report("--", "PostgreSQL", "\(error)")
        }
        guard settings.text(.databaseURL) != nil else {
            report("  ", "database", "SCRIPTORIUM_DATABASE_URL is not set; 'scriptorium dev' needs none")
            return
        }
        do {
            let options = try settings.database(as: "doctor")
            try await settings.waitForDatabase(options, logger: logger, limit: .zero)
            let url = options.listenURL ?? options.url
            let migrator = Migrator(url: url, migrations: Migration.embedded, logger: logger)
            let missing = try await migrator.status().count { $0.appliedAt == nil }
            report(
                missing == 0 ? "ok" : "--", "database",
                missing == 0 ? "reached, up to date" : "\(missing) migrations are missing: run 'scriptorium migrate'")
            if missing == 0 { try await workers(options, logger) }
        } catch {
            report("--", "database", "\(error)")
        }
    }

    /// Says how well scripts are contained. False where they are not at all, and that is not allowed.
    private func sandbox(_ tier: SandboxTier, _ notes: [String], _ options: ExecutionOptions) -> Bool {
        let isOptional = options.allowsNoSandbox
        switch tier {
        case .a: report("ok", "sandbox", "tier A")
        case .b, .c:
            report(
                "ok", "sandbox",
                "tier \(tier.rawValue)" + (tier < options.mostTier ? "; better tiers do not work here" : ""))
        case .none:
            report(
                isOptional ? "!!" : "--", "sandbox",
                "none: a script runs as a user of its own"
                    + (geteuid() == 0 ? "" : " only where the program is root, which it is not")
                    + ", with limits, but can read what that user can and open sockets. "
                    + (isOptional
                        ? "Run only scripts that you trust."
                        : "A worker starts so only with --unsafe-no-sandbox (\(Setting.unsafeNoSandbox.variable)=on)."))
        }
        for note in notes { report("  ", "sandbox", note) }
        return tier > .none || isOptional
    }

    /// The workers of the installation.
    private func workers(_ options: DatabaseOptions, _ logger: Logger) async throws {
        let database = Database(options, logger: logger)
        let queue = JobQueue(
            database: database, listener: Listener(options, logger: logger), logger: logger)
        let workers: [LivingWorker]
        do {
            workers = try await queue.workers()
        } catch {
            await database.close()
            throw error
        }
        await database.close()
        if workers.isEmpty { report("!!", "workers", "none lives: start 'scriptorium worker'") }
        for worker in workers {
            report(
                worker.tier > .none ? "ok" : "!!", "worker",
                "\(worker.name): \(worker.slots) slots, "
                    + (worker.tier > .none ? "sandbox tier \(worker.tier.rawValue)" : "no sandbox"))
        }
    }

    private func limits() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let isEnough = limit.rlim_max >= 4096
        report(
            isEnough ? "ok" : "!!", "descriptors",
            "\(limit.rlim_max)" + (isEnough ? "" : ": each waiting caller holds one; raise it with ulimit -n"))
        report("ok", "cores", "\(Settings.cores)")
    }
}
