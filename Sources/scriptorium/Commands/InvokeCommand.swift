import ArgumentParser
import Core
import FoundationEssentials
import Outbound

/// `scriptorium invoke`
struct InvokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invoke", abstract: "Calls a service and prints its answer.",
        discussion: """
            Examples:
              scriptorium invoke hello --data '{"name":"Ada"}'
              scriptorium invoke 'overview?name=Ada'
              scriptorium invoke report --async

            The answer's body goes to stdout. The exit code tells how it ended: see 'scriptorium --help'.
            """)

    @Argument(help: "SERVICE[/RESOURCE][?QUERY]")
    var path: String

    @Option(name: .shortAndLong, help: "GET, POST, PUT, PATCH or DELETE; POST where there is --data, else GET.")
    var method: String?

    @Option(name: .shortAndLong, help: "The body: JSON, or @FILE.")
    var data: String?

    @Flag(name: .customLong("async"), help: "Answers at once with the job.")
    var isAsynchronous = false

    @Option(help: "How many seconds to wait for the script.")
    var wait: Double?

    @Flag(help: "Prints one JSON object with status, headers and body.")
    var json = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
        var headers: [(name: String, value: String)] = []
        let body = try body()
        if data != nil { headers.append((name: "Content-Type", value: "application/json")) }
        if isAsynchronous { headers.append((name: "Prefer", value: "respond-async")) }
        if let wait { headers.append((name: "Prefer", value: "wait=\(wait)")) }
        try await client.connect(json: json) { [headers] installation in
            let waiting = Task { try await tellOfWaiting() }
            defer { waiting.cancel() }
            let reply = try await installation.send(
                method?.uppercased() ?? (data == nil ? "GET" : "POST"), "/api/v2/\(path.trimming { $0 == "/" })",
                bytes: body, as: .app, timeout: .seconds(max(wait ?? 0, 300) + 10), headers: headers)
            waiting.cancel()
            show(reply)
            let status = ExitStatus(httpStatus: reply.status)
            if status != .done { throw status.exitCode }
        }
    }

    /// A word now and then while the script takes its time.
    private func tellOfWaiting() async throws {
        var seconds = 2
        while true {
            try await Task.sleep(for: .seconds(seconds == 2 ? 2 : 5))
            progress("waiting for the script, \(seconds) s so far (with --async the job is answered at once)")
            seconds += 5
        }
    }

    private func show(_ reply: HTTPReply) {
        if json {
            say(AnswerView.json(reply).text)
            return
        }
        if reply.status >= 400 { progress("HTTP \(reply.status)") }
        say(reply.text)
    }

    private func body() throws -> [UInt8] {
        guard let data else { return [] }
        guard data.hasPrefix("@") else { return Array(data.utf8) }
        guard let contents = FileManager.default.contents(atPath: String(data.dropFirst())) else {
            throw ValidationError("The file '\(data.dropFirst())' can not be read.")
        }
        return Array(contents)
    }
}
