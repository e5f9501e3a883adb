import ArgumentParser
import Core
import Glibc
import Outbound

/// `scriptorium logs`
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Prints what a job's script has printed.",
        discussion: """
            With -f it goes on until the job ends, and the exit code tells how it ended; a connection that breaks is
            taken up again where it was.
            """)

    @Argument(help: "The job's id.")
    var id: String

    @Flag(name: .shortAndLong, help: "Follows the job to its end.")
    var follow = false

    @Option(help: "Only lines behind this 'seq'.")
    var after: Int64?

    @OptionGroup var format: FormatOptions
    @OptionGroup var client: ClientOptions

    func run() async throws {
        try await client.connect(json: format.json) { installation in
            if follow {
                try await follow(installation)
            } else {
                let query = after.map { "?after=\($0)" } ?? ""
                let log = try await installation.json("GET", JobsCommand.path(id) + "/logs" + query, as: .app)
                for line in log["resource"]?.elements ?? [] { print(line) }
            }
        }
    }

    private func print(_ line: JSONText) {
        if format.json {
            say(line.text)
        } else {
            let text = line["text"]?.string ?? ""
            // A file gets the bytes; a terminal is not to be steered by a script.
            say(isatty(STDOUT_FILENO) != 0 ? Plain.text(text, lines: true) : text)
        }
    }

    private func follow(_ installation: Installation) async throws {
        var events = EventStream(lastID: after.map(String.init))
        var failures = 0
        var quietRounds = 0
        while true {
            do {
                quietRounds = try await read(installation, &events) ? 0 : quietRounds + 1
                let job = try await installation.job(id, wait: 0)
                if Installation.hasEnded(job) { return try end(job) }
                failures = 0
            } catch let failure as ClientFailure where [.unreachable, .later].contains(failure.status) {
                failures += 1
                if failures == 1 { progress("The connection is gone; trying again.") }
                // About two minutes in all.
                guard failures < 35 else { throw failure }
            }
            // Streams end now and then by themselves; one that does at once is not asked for all the time.
            try await Task.sleep(for: .milliseconds(100 + 200 * min(failures + quietRounds, 20)))
        }
    }

    /// Reads the stream to its end, wanted or not.
    /// - Returns: whether anything came.
    private func read(_ installation: Installation, _ events: inout EventStream) async throws -> Bool {
        var headers = [(name: "Accept", value: "text/event-stream")]
        if let last = events.lastID { headers.append((name: "Last-Event-ID", value: last)) }
        // A connection that has died without a word is noticed by the limit: the next one goes on where this one was.
        let stream = try await installation.stream(
            JobsCommand.path(id) + "/logs", as: .app, timeout: .seconds(120), headers: headers)
        var bytes: [UInt8] = []
        let isStream = stream.status == 200 && stream.header("Content-Type")?.hasPrefix("text/event-stream") == true
        var hasLines = false
        // What a broken connection has left half is sent again.
        events = EventStream(lastID: events.lastID)
        do {
            for try await piece in stream.body {
                guard isStream else {
                    bytes += piece
                    continue
                }
                for event in events.take(piece) where event.name == "message" {
                    guard let line = try? JSONText(checking: event.data), line["seq"] != nil else { continue }
                    hasLines = true
                    print(line)
                }
            }
        } catch is OutboundError {
            return hasLines
        }
        if stream.status >= 400 {
            throw Installation.refusal(
                HTTPReply(status: stream.status, headers: stream.headers, body: bytes), .app)
        }
        guard isStream else {
            throw ClientFailure(.failed, "This installation gives no live logs. Call 'scriptorium logs' without -f.")
        }
        return hasLines
    }

    private func end(_ job: JSONText) throws {
        let status = job["status"]?.string ?? ""
        let end =
            switch status {
            case "succeeded": ""
            case "failed": "The job failed"
            case "expired": "The job expired"
            default: "The job was \(status)"
            }
        guard !end.isEmpty else { return }
        throw ClientFailure(
            ExitStatus(jobStatus: status), end + (job["error"]?["message"]?.string.map { ": \($0)" } ?? "."))
    }
}
