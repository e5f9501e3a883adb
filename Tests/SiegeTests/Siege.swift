import Core
import Execution
import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

/// An executor under siege, and what it must keep: its processes, and all that is not its own.
struct Siege: Sendable {
    let tier: SandboxTier
    let executor: ScriptExecutor
    let bait: Bait
    let host = SilentHost()

    /// Runs `body` with an executor whose best sandbox is `tier`; afterwards nothing of it is left.
    static func lay(on tier: SandboxTier, _ body: @Sendable (Siege) async throws -> Void) async throws {
        let bait = try Bait()
        defer { bait.remove() }
        let options = ExecutionOptions(runDirectory: bait.folder, zygotes: 1, parked: 2, mostTier: tier)
        let quiet = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        let siege = Siege(tier: tier, executor: ScriptExecutor(options, logger: quiet), bait: bait)
        var groups: [String] = []
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await siege.executor.run() }
            _ = try await siege.executor.whenReady()
            try #require(siege.executor.tier == tier, "\(siege.executor.sandboxNotes)")
            groups = siege.controlGroups
            try await body(siege)
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(siege.cell == nil)
        #expect(names(in: bait.folder).sorted() == Bait.names)
        #expect(text(of: "/proc/self/mounts", most: 1 << 20)?.contains(bait.folder) == false)
        #expect(groups.filter { access($0, F_OK) == 0 } == [])
        #expect(bait.visits == 0)
        #expect(text(of: bait.secret) == Bait.needle)
    }

    func run(_ attack: Attack, tenant: String = "mallory") async -> AttemptReport {
        // Those that end by it need not take long. In the best tier the kernel's own limit ends them, which knows whole
        // seconds only.
        let isEndless = attack.ends[tier] == .limit("cpu_seconds") && tier < .a
        return await run(
            attack.language, attack.source, tenant: tenant, wall: attack.wall,
            cpu: isEndless ? .milliseconds(300) : .seconds(1))
    }

    func run(
        _ language: ScriptLanguage, _ source: String, tenant: String = "alice", wall: Duration? = nil,
        cpu: Duration = .seconds(1)
    ) async -> AttemptReport {
        var limits = AttemptLimits(
            wall: wall ?? .seconds(30), logBytes: 64 << 10, responseBytes: 1 << 20, apiCalls: 100)
        limits.cpu = cpu
        limits.memoryBytes = 64 << 20
        limits.processes = 16
        limits.tmpBytes = 4 << 20
        let attempt = ScriptAttempt(
            language: language, name: "service.siege", source: source, event: event,
            platform: JSONText(trusted: #"{"config":{},"session":{}}"#), limits: limits, tenant: tenant)
        return await executor.execute(attempt, host: host)
    }

    /// What the scripts are told, so that they need not guess what they attack.
    private var event: JSONText {
        let pids = [Int(getpid())] + [cell].compactMap { $0 } + zygotes
        let pairs: [(String, JSONText)] = [
            ("pids", JSONText(trusted: "[\(pids.map { "\($0)" }.joined(separator: ","))]")),
            ("folder", .string(bait.folder)), ("secret", .string(bait.secret)), ("stream", .string(bait.stream)),
            ("datagram", .string(bait.datagram)), ("name", .string(bait.name)),
            ("port", JSONText(trusted: "\(bait.port)")),
        ]
        return .object(pairs)
    }

    /// The process of `cell`; nil where it is gone.
    var cell: Int? {
        children(of: Int(getpid())).first { text(of: "/proc/\($0)/cmdline")?.contains(bait.folder) == true }
    }

    /// The processes that fork scripts.
    var zygotes: [Int] {
        (cell.map(children(of:)) ?? []).filter {
            let line = text(of: "/proc/\($0)/cmdline") ?? ""
            return line.contains("harness.p") || line.contains("harness2.p")
        }.sorted()
    }

    /// What `cell` and the zygotes hold, which no script may make grow.
    var holdings: Holdings {
        var sum = Holdings()
        for pid in [cell].compactMap({ $0 }) + zygotes {
            sum.descriptors += names(in: "/proc/\(pid)/fd").count
            sum.threads += names(in: "/proc/\(pid)/task").count
            let pages = text(of: "/proc/\(pid)/statm")?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            sum.memoryBytes += (pages ?? 0) * sysconf(Int32(_SC_PAGESIZE))
        }
        sum.processes = processes.count
        sum.groups = controlGroups.reduce(0) { $0 + names(in: $1).count { Int($0) != nil } }
        sum.files = names(in: bait.folder).count
        return sum
    }

    struct Holdings {
        var descriptors = 0
        var threads = 0
        var memoryBytes = 0
        var processes = 0
        var groups = 0
        var files = 0
    }

    /// All processes beneath `cell`.
    var processes: [Int] {
        var found: [Int] = []
        var open = cell.map { [$0] } ?? []
        while let next = open.popLast() {
            let below = children(of: next)
            found += below
            open += below
        }
        return found
    }

    /// The control groups that were made for this executor.
    private var controlGroups: [String] {
        let roots = ["/sys/fs/cgroup"] + names(in: "/sys/fs/cgroup").map { "/sys/fs/cgroup/\($0)" }
        return Set(
            processes.flatMap { (text(of: "/proc/\($0)/cgroup") ?? "").split(separator: "\n") }.compactMap { line in
                let path = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).last ?? ""
                guard let own = path.split(separator: "/").first(where: { $0.hasPrefix("scriptorium-\(getpid())-") })
                else { return nil }
                return "\(path[..<(path.firstRange(of: own)?.upperBound ?? path.endIndex)])"
            }
        ).flatMap { path in roots.map { $0 + path } }
    }
}

/// A script asks nothing here, and nobody reads what it prints.
final class SilentHost: ScriptHost {
    func call(_ call: APICall) async -> APIReply { APIReply(status: 404, headers: [], body: []) }
    func answer(_ question: ScriptQuestion) async -> ScriptAnswer { .value(.null) }
    func log(_ line: LogLine) {}
}

func children(of pid: Int) -> [Int] {
    names(in: "/proc/\(pid)/task").flatMap { thread in
        (text(of: "/proc/\(pid)/task/\(thread)/children") ?? "").split(separator: " ").compactMap { Int($0) }
    }
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

func text(of path: String, most: Int = 1 << 16) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: most)
    let count = read(file, &bytes, bytes.count)
    return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
}
