import ArgumentParser
import Core
import FoundationEssentials

/// `scriptorium bench start`
struct StartBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract:
            "Measures how long 'scriptorium dev' takes on an empty directory, and what it holds when nothing runs.",
        discussion: """
            From the start of the process to the first answer of a script: the cluster, the migrations, the demo tenant, the \
            interpreters. Then the memory of all its processes at rest, PostgreSQL's included: what they share is counted \
            once (PSS).
            """)

    @OptionGroup var format: FormatOptions
    @OptionGroup var role: RoleOptions

    func run() async throws {
        let settings = try await Settings(file: role.config)
        let load = LoadAverage.now
        var figures = try await BenchTime.limited(to: .seconds(50)) {
            try await BenchDirectory.lend { directory in
                progress("starting 'scriptorium dev'")
                let data = directory + "/data"
                let clock = ContinuousClock()
                let begin = clock.now
                return try await BenchProgram.lend(
                    ["dev", "--port", "0", "--data-dir", data], settings, [], in: directory
                ) { program in
                    let url = try await program.line(after: "ready ")
                    let ready = begin.duration(to: clock.now)
                    guard let credentials = Credentials(file: data + "/credentials.json") else {
                        throw BenchFailure(description: "'dev' is ready and has left no credentials")
                    }
                    try await Self.call(url, credentials.apiKey)
                    let answered = begin.duration(to: clock.now)
                    progress("waiting until nothing is at work")
                    var processor = ProcessorTime()
                    await processor.settle()
                    try program.checkLife()
                    return StartFigures(ready: ready, answered: answered, memory: ProcessMemory(of: program.pid))
                }
            }
        }
        figures.load = load
        say(format.json ? figures.json.text : figures.text)
    }

    private static func call(_ url: String, _ key: String) async throws {
        let caller = try await BenchCaller(url: url, key: key)
        defer { caller.close() }
        let reply = try await caller.get("/api/v2/hello?name=Ada")
        let body = String(decoding: reply.body, as: UTF8.self)
        guard reply.status == 200, body == #"{"success":true,"message":"Hello, Ada!"}"# else {
            throw BenchFailure(description: "the first call was answered with \(reply.status) and \(body.prefix(500))")
        }
    }
}

/// What `bench start` has found.
struct StartFigures: Sendable {
    /// Until it said that it is ready.
    let ready: Duration
    /// Until a script had answered.
    let answered: Duration
    let memory: ProcessMemory
    var load: Double?

    private var megabytes: Double { Double(memory.total) / 1e6 }
    private var kind: String { memory.isProportional ? "PSS" : "RSS" }

    private var goals: [Goal] {
        [
            .atMost(10, "first answer within 10 s", "first_answer_seconds", answered.seconds),
            .atMost(250, "at most 250 MB at rest, in all", "idle_mb", megabytes),
        ]
    }

    var json: JSONText {
        let processes = memory.groups.map { group in
            JSONText.object([
                ("name", .string(group.name)), ("processes", .integer(group.processes)),
                ("mb", .rounded(Double(group.bytes) / 1e6)),
            ])
        }
        return .object([
            ("bench", .string("start")), ("load_average", load.map(JSONText.rounded) ?? .null),
            ("ready_seconds", .rounded(ready.seconds)), ("first_answer_seconds", .rounded(answered.seconds)),
            ("idle_mb", .rounded(megabytes)), ("memory", .string(kind)), ("processes", .array(processes)),
            ("goals", .array(goals.map(\.json))),
        ])
    }

    var text: String {
        var table = Table(["PROCESS", "NUMBER", "MB (\(kind))"])
        for group in memory.groups {
            table.add([group.name, "\(group.processes)", (Double(group.bytes) / 1e6).shown])
        }
        let load = load?.shown ?? "unknown"
        let lines = [
            "ready after \(ready.seconds.shown) s, a script has answered after \(answered.seconds.shown) s;"
                + " load average \(load)",
            table.text,
        ]
        return (lines + goals.map(\.text)).joined(separator: "\n")
    }
}
