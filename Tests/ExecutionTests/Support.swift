import Core
import Execution
import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

/// The executor that most tests share. Its processes end with the tests' process.
enum Shared {
    static let executor: ScriptExecutor = {
        var options = ExecutionOptions(zygotes: 2, parked: 3)
        // Tests at the same time must not drive out each other's processes.
        options.reuse.mostIdle = 200
        let executor = ScriptExecutor(options, logger: quiet)
        Task { try await executor.run() }
        return executor
    }()

    static let quiet = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
}

/// An executor of the test's own, which is shut down when `body` ends.
func withExecutor<Value: Sendable>(
    _ options: ExecutionOptions = ExecutionOptions(zygotes: 1, parked: 1),
    _ body: @Sendable (ScriptExecutor) async throws -> Value
) async throws -> Value {
    let executor = ScriptExecutor(options, logger: Shared.quiet)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await executor.run() }
        _ = try await executor.whenReady()
        let value = try await body(executor)
        group.cancelAll()
        try await group.waitForAll()
        return value
    }
}

/// Keeps what a script prints, and answers its calls with `answer`.
final class TestHost: ScriptHost {
    private let kept = Mutex<[LogLine]>([])
    private let asked = Mutex<[APICall]>([])
    private let answer: @Sendable (APICall) async -> APIReply

    init(
        _ answer: @escaping @Sendable (APICall) async -> APIReply = { _ in APIReply(status: 404, headers: [], body: [])
        }
    ) {
        self.answer = answer
    }

    var lines: [LogLine] { kept.withLock { $0 } }
    var calls: [APICall] { asked.withLock { $0 } }

    func call(_ call: APICall) async -> APIReply {
        asked.withLock { $0.append(call) }
        return await answer(call)
    }

    func answer(_ question: ScriptQuestion) async -> ScriptAnswer { .value(.string("\(question)")) }

    func log(_ line: LogLine) { kept.withLock { $0.append(line) } }
}

/// One source for each language.
struct Sources: Sendable {
    var nodejs = ""
    var php = ""
    /// Nil where Python 2 takes the same.
    var python: String?
    var python3 = ""

    subscript(language: ScriptLanguage) -> String {
        switch language {
        case .nodejs: nodejs
        case .php: php
        case .python: python ?? python3
        case .python3: python3
        case .v8js: ""
        }
    }
}

extension ScriptLanguage {
    /// Those that the tests of limits and faults go through; the others run by the same machinery.
    static let everyday: [ScriptLanguage] = [.nodejs, .php, .python3] + (Python2.isHere ? [.python] : [])
}

extension ScriptExecutor {
    func run(
        _ language: ScriptLanguage, _ source: String, event: String = "{}", wall: Duration = .seconds(30),
        logBytes: Int = 1 << 20, responseBytes: Int = 10 << 20, apiCalls: Int = 1000, host: TestHost = TestHost()
    ) async -> AttemptReport {
        let attempt = ScriptAttempt(
            language: language, name: "service.test", source: source, event: JSONText(trusted: event),
            platform: JSONText(trusted: #"{"config":{},"session":{}}"#),
            limits: AttemptLimits(
                wall: wall, logBytes: logBytes, responseBytes: responseBytes, apiCalls: apiCalls))
        return await execute(attempt, host: host)
    }

    /// What a script returns.
    func value(
        _ language: ScriptLanguage, _ source: String, event: String = "{}", host: TestHost = TestHost()
    ) async throws -> JSONText {
        let report = await run(language, source, event: event, host: host)
        guard case .result(let result) = report.ending else {
            Issue.record("\(language) ended with \(report.ending)")
            return .null
        }
        #expect(result.error == nil)
        return try #require(result.returned)
    }
}

extension AttemptReport {
    var result: ScriptResult? {
        if case .result(let result) = ending { result } else { nil }
    }

    var limit: LimitHit? {
        if case .limit(let hit) = ending { hit } else { nil }
    }
}

/// Whether a process is there; one that nobody has reaped yet is not.
func isAlive(_ pid: Int) -> Bool {
    guard let stat = text(of: "/proc/\(pid)/stat"), let name = stat.lastIndex(of: ")") else { return false }
    return stat[name...].dropFirst(2).first != "Z"
}

/// A process's parent; nil where there is no such process.
func parent(of pid: Int) -> Int? {
    guard let stat = text(of: "/proc/\(pid)/stat"), let name = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[name...].split(separator: " ")
    return fields.count > 2 ? Int(fields[2]) : nil
}

/// All processes below `pid`.
func descendants(of pid: Int) -> [Int] {
    var parents: [Int: [Int]] = [:]
    for other in names(in: "/proc").compactMap({ Int($0) }) {
        if let above = parent(of: other) { parents[above, default: []].append(other) }
    }
    var found: [Int] = []
    var open = [pid]
    while let next = open.popLast() {
        found += parents[next] ?? []
        open += parents[next] ?? []
    }
    return found
}

func names(in directory: String) -> [String] {
    guard let entries = opendir(directory) else { return [] }
    defer { closedir(entries) }
    var names: [String] = []
    while let entry = readdir(entries) {
        names.append(withUnsafePointer(to: &entry.pointee.d_name.0) { String(cString: $0) })
    }
    return names.filter { $0 != "." && $0 != ".." }
}

func text(of path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(file, &bytes, bytes.count)
    return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
}
