import ArgumentParser
import Core
import JobQueue

/// `scriptorium bench invoke`
struct InvokeBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invoke",
        abstract: "Measures a script's call from the caller and back: HTTP, queue, worker, script.",
        discussion: """
            Calls a script that returns what it was sent, through an ingress and a worker that are processes of their own, as \
            in production, with their default settings, an API key, and a PostgreSQL that writes through to the disk. In turns \
            with it, so that both see the same load: the same script behind the same HTTP front, without a key, a queue and a \
            database, by a process of the interpreter that is started for each call under the same confinement.

            Each caller has a connection and sends its next call when it has the answer. The split is made of the job's own \
            times: ingress (sent until accepted in the database), queue (until a worker has claimed it), run (waiting for a \
            process, and the script in it until its end, as the worker measures it), finish (what the worker does around \
            that, until the result is in the database), return (commit, wake-up, until the caller has the answer).
            """)

    @Option(help: "The script's language: \(ScriptLanguage.allCases.map(\.rawValue).joined(separator: ", ")).")
    var language: ScriptLanguage

    @Option(help: "How many callers there are, at most 256.")
    var concurrency = 1

    @Option(help: "How long to measure, at most 600 seconds.")
    var seconds = 10.0

    @OptionGroup var database: BenchDatabaseOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var role: RoleOptions

    func validate() throws {
        guard seconds > 0, seconds <= 600 else {
            throw ValidationError("--seconds must be above 0 and at most 600.")
        }
        guard (1...256).contains(concurrency) else { throw ValidationError("--concurrency must be from 1 to 256.") }
    }

    func run() async throws {
        let settings = try await Settings(file: role.config)
        raiseFileLimit()
        // Starting and ending have their time too.
        let limit = Duration.seconds(seconds + 45)
        let figures = try await BenchInstallation.lend(database, settings, limit: limit) { installation in
            progress("starting an ingress, a worker and what they are compared with")
            return try await installation.withProgram(["ingress"]) { ingress in
                try await installation.withProgram(["worker"]) { worker in
                    let alone = ["bench", "process-per-call", "--language", language.rawValue]
                    return try await installation.withProgram(alone) { front in
                        let url = try await ingress.line(after: "ready ")
                        _ = try await worker.line(after: "ready ")
                        let frontURL = try await front.line(after: "ready ")
                        let figures = try await measure(installation, url, frontURL)
                        for program in [ingress, worker, front] { try program.checkLife() }
                        return figures
                    }
                }
            }
        }
        say(format.json ? figures.json.text : figures.text)
    }

    private func measure(
        _ installation: BenchInstallation, _ url: String, _ front: String
    ) async throws -> InvokeFigures {
        try await installation.withRooms { rooms in
            try await BenchTenant.lend(
                in: installation, rooms, language: language, script: EchoScript.source(language)
            ) { tenant in
                let rounds = InvokeRounds(
                    language: language, time: .seconds(seconds),
                    hot: try await callers(url, "/api/v2/\(BenchTenant.service)", key: tenant.apiKey),
                    cold: try await callers(front, "/", key: nil))
                return try await rounds.figures { ids in
                    try await InvokeSplit.records(of: ids, tenant.id, rooms.queue)
                }
            }
        }
    }

    private func callers(_ url: String, _ path: String, key: String?) async throws -> InvokeRounds.Callers {
        var all: [BenchCaller] = []
        for _ in 0..<concurrency { all.append(try await BenchCaller(url: url, key: key)) }
        return InvokeRounds.Callers(all: all, path: path)
    }
}
