import ArgumentParser
import Core
import FoundationEssentials
import Glibc
import Outbound

/// Which installation a client's verb talks to.
struct ClientOptions: ParsableArguments {
    @Option(help: "The file that 'scriptorium dev' wrote.")
    var credentials: String = Credentials.standardPath

    @Option(help: "The installation's URL; else from the credentials, else SCRIPTORIUM_URL.")
    var url: String?

    @Option(
        help:
            "The API key; else from the credentials, else SCRIPTORIUM_API_KEY. Better not on a shared machine: others can see it."
    )
    var apiKey: String?

    /// - Throws: `ValidationError` that says what to give.
    func resolve() throws -> (url: String, apiKey: String) {
        let file = Credentials(file: credentials)
        let environment = ProcessInfo.processInfo.environment
        guard let url = url ?? file?.url ?? environment["SCRIPTORIUM_URL"] else {
            throw ValidationError(
                "There is no '\(credentials)'. Start 'scriptorium dev' first, or give --credentials FILE, or set"
                    + " SCRIPTORIUM_URL and SCRIPTORIUM_API_KEY.")
        }
        // The file's key belongs to the file's installation: it is not sent to another one.
        let known = self.url == nil || self.url == file?.url ? file?.apiKey : nil
        guard let key = apiKey ?? known ?? environment["SCRIPTORIUM_API_KEY"] else {
            throw ValidationError("There is no API key: give --credentials FILE, or set SCRIPTORIUM_API_KEY.")
        }
        return (String(url.trimming { $0 == "/" }), key)
    }
}

/// `scriptorium invoke`
struct InvokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invoke", abstract: "Calls a service and prints its answer.",
        discussion: """
            Examples:
              scriptorium invoke hello --data '{"name":"Ada"}'
              scriptorium invoke 'overview?name=Ada'
              scriptorium invoke report --async

            The answer's body goes to stdout. The exit code is 0 for a status below 400, 1 for an error's, 2 where the
            installation can not be reached.
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
        let (url, key) = try client.resolve()
        var headers = [(name: "X-DreamFactory-API-Key", value: key), (name: "Accept", value: "application/json")]
        let body = try body()
        if data != nil { headers.append((name: "Content-Type", value: "application/json")) }
        if isAsynchronous { headers.append((name: "Prefer", value: "respond-async")) }
        if let wait { headers.append((name: "Prefer", value: "wait=\(wait)")) }
        let http = HTTPClient()
        let reply: HTTPReply
        do {
            let waiting = Task { try await tellOfWaiting() }
            defer { waiting.cancel() }
            reply = try await http.send(
                HTTPCall(
                    method: method?.uppercased() ?? (data == nil ? "GET" : "POST"),
                    url: "\(url)/api/v2/\(path.trimming { $0 == "/" })", headers: headers, body: body,
                    timeout: .seconds(max(wait ?? 0, 300) + 10)))
        } catch let error as OutboundError {
            await http.close()
            progress("\(url) can not be reached: \(error.message) Is 'scriptorium dev' running?")
            throw ExitCode(2)
        }
        await http.close()
        show(reply)
        if reply.status >= 400 { throw ExitCode(1) }
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
            let body = (try? JSONText(checking: reply.body)) ?? .string(reply.text)
            let headers = reply.headers.map { ($0.name, JSONText.string($0.value)) }
            say(
                JSONText.object([("status", .integer(reply.status)), ("headers", .object(headers)), ("body", body)])
                    .text)
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
