import ArgumentParser
import Core
import Execution
import Ingress
import Logging
import ServiceLifecycle
import UnixSignals

/// `scriptorium bench process-per-call`: what `bench invoke` compares with. An ingress's front, behind which each call starts
/// a process of the interpreter under the same confinement: no key, no queue, no database.
struct ProcessPerCallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "process-per-call", abstract: "Serves the script of 'bench invoke' by one process per call.",
        shouldDisplay: false)

    @Option var language: ScriptLanguage

    @OptionGroup var role: RoleOptions

    func run() async throws {
        let settings = try await Settings(file: role.config)
        raiseFileLimit()
        let logger = try settings.logger()
        let options = try settings.ingress()
        let executor = ScriptExecutor(try settings.execution(isWorker: false), logger: logger)
        let front = PlainFront(
            options: options, logger: logger, listening: { say("ready http://\(options.host):\($0)") },
            answer: { [language] path in await Self.answer(path, language, executor) })
        let opened = Crew(
            roles: [front],
            opening: { [language] in
                let report = try await executor.whenReady().first { $0.language == language }
                if let problem = report?.problem { throw BenchFailure(description: problem) }
                try settings.checkSandbox(executor.tier, executor.sandboxNotes, logger: logger)
            }, grace: .seconds(2))
        try await ServiceGroup(
            services: [executor, opened], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
    }

    private static func answer(
        _ path: String, _ language: ScriptLanguage, _ executor: ScriptExecutor
    ) async -> ServiceResponse {
        let word = Query.value("word", in: String(path.drop { $0 != "?" }.dropFirst())) ?? ""
        var attempt = ScriptAttempt(
            language: language, name: "service.bench", source: EchoScript.source(language),
            event: .object([
                ("request", .object([("parameters", .object([("word", .string(word))]))])),
                ("response", .emptyObject),
            ]),
            platform: .object([("config", .emptyObject), ("session", .emptyObject)]),
            limits: AttemptLimits(wall: .seconds(60)))
        attempt.tenant = "bench"
        let report = await executor.executeCold(attempt, host: NobodyAsks())
        guard case .result(let result) = report.ending, let returned = result.returned else {
            return .error(ServiceError(500, "The script ended with \(report.ending)."))
        }
        return .json(returned)
    }
}
