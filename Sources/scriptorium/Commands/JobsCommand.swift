import ArgumentParser
import Core
import Outbound

/// `scriptorium jobs`
struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Lists jobs, shows what became of them, cancels and repeats them.",
        discussion: """
            An app sees the jobs that it has made: the API key says which.

            Examples:
              scriptorium jobs list --status failed --since 1h
              scriptorium jobs response $(scriptorium invoke report --async | jq -r .id) --wait 60
            """,
        subcommands: [List.self, Show.self, Cancel.self, Retry.self, Response.self])

    static func path(_ id: String) -> String { "/api/v2/jobs/\(PathText.encoded(id))" }

    /// A job's status, as an option of the list.
    enum Status: String, ExpressibleByArgument, CaseIterable {
        case queued, running, succeeded, failed, cancelled, expired
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists jobs, the newest first.")
        @Option(help: "Only those with this status.")
        var status: Status?
        @Option(help: "Only those of this service.")
        var service: String?
        @Option(help: "Only those made at this time or later: RFC 3339, or how long ago: 90s, 15m, 2h, 7d.")
        var since: Moment?
        @Option(help: "Only those made before this time.")
        var until: Moment?
        @Option(help: "How many at most.")
        var limit: Int = 50
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func validate() throws {
            guard limit > 0 else { throw ValidationError("--limit must be 1 or more.") }
        }

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let jobs = try await installation.list(
                    "/api/v2/jobs",
                    [
                        ("status", status?.rawValue), ("service", service), ("since", since?.text),
                        ("until", until?.text),
                    ], limit: limit, as: .app)
                say(jobs, format, ["id", "status", "service", "created_at", "run_ms"])
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a job.")
        @Argument(help: "The job's id.")
        var id: String
        @Option(help: "Waits for the job's end, as many seconds at most.")
        var wait: Int?
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                var job = try await installation.job(id, wait: 0)
                let deadline = ContinuousClock.now + .seconds(wait ?? 0)
                while !Installation.hasEnded(job), ContinuousClock.now < deadline {
                    job = try await installation.job(id, wait: Wait.part(until: deadline))
                }
                say(job, format)
                if wait != nil, !Installation.hasEnded(job) { throw ExitStatus.notYet.exitCode }
            }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cancels a job: one that waits never runs, one that runs is killed.")
        @Argument(help: "The job's id.")
        var id: String
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let job = try await installation.json("DELETE", path(id), as: .app)
                say(format.json ? job.text : "\(id) is \(Plain.value(job["status"])).")
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs a job's request again, as a new job, and prints the new id.")
        @Argument(help: "The job's id.")
        var id: String
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let job = try await installation.json("POST", path(id) + "/retry", as: .app)
                say(format.json ? job.text : Plain.value(job["id"]))
            }
        }
    }

    struct Response: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the answer that a job's script gave.",
            discussion: "The exit code is that of the answer's HTTP status, or 3 where the job has not ended in time.")
        @Argument(help: "The job's id.")
        var id: String
        @Option(help: "Waits for the answer, as many seconds at most.")
        var wait: Int?
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let deadline = ContinuousClock.now + .seconds(wait ?? 0)
                var reply: HTTPReply
                repeat {
                    let part = Wait.part(until: deadline)
                    reply = try await installation.send(
                        "GET", "\(path(id))/response?wait=\(part)", as: .app, timeout: .seconds(part + 30))
                } while reply.status == 202 && ContinuousClock.now < deadline
                guard reply.status != 202 else {
                    throw ClientFailure(
                        .notYet,
                        "The job has not ended yet. Give --wait SECONDS, or follow it: scriptorium logs -f \(id)")
                }
                format.json ? say(AnswerView.json(reply).text) : say(reply.text)
                let status = ExitStatus(httpStatus: reply.status)
                guard status == .done else {
                    progress("HTTP \(reply.status)")
                    throw status.exitCode
                }
            }
        }
    }
}
