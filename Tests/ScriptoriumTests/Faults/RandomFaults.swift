import Core
import Database
import Glibc
import Outbound
import Synchronization
import TestSupport

/// An installation whose every part can break: its server's disk is small, its connections to the server go through a
/// relay, and what its scripts do is noted beside it.
struct RandomFaults: Sendable {
    enum Kind: CaseIterable, Sendable {
        case killWorker, stopWorker, drainWorker, killIngress, drainIngress
        case crashServer, freezeServer, killBackends, holdSnapshot, fillDisk
        case cutConnections, swallowAnswers
    }

    /// xorshift64*: the same seed gives the same faults.
    struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    let house: BreakableInstallation
    let notebook: Notebook
    let tenant: TestTenant
    private let relay: CuttingRelay
    private let disk: SmallDisk?

    /// Those that can be made here.
    var kinds: [Kind] { Kind.allCases.filter { $0 != .fillDisk || disk != nil } }

    /// - Parameter megabytes: the size of the server's disk.
    init(megabytes: Int) async throws {
        disk = SmallDisk(megabytes: megabytes)
        if disk == nil { print("no disk is filled up: to mount one takes root") }
        var server = EmbeddedPostgresOptions(
            dataDirectory: disk.map { "\($0.path)/breakable" } ?? TestFolder.path(for: "breakable"))
        server.settings = ["max_wal_size": "64MB", "min_wal_size": "32MB"]
        let made = Mutex<CuttingRelay?>(nil)
        house = try await BreakableInstallation(server: server) { server in
            guard let parts = server.wholeMatch(of: /postgres:\/\/(\w+):(\w+)@\/(\w+)\?host=([^&]+)&port=(\d+)/) else {
                throw NeverHappened(description: "no such URL")
            }
            let (_, user, password, database, socket, port) = parts.output
            let relay = try CuttingRelay(to: "\(socket)/.s.PGSQL.\(port)")
            made.withLock { $0 = relay }
            return ["SCRIPTORIUM_DATABASE_URL": "postgres://\(user):\(password)@127.0.0.1:\(relay.port)/\(database)"]
        }
        guard let relay = made.withLock({ $0 }) else { throw NeverHappened(description: "no relay") }
        self.relay = relay
        notebook = try await Notebook()
        tenant = try await house.installation.tenant(quotas: Notebook.quotas)
        // Half of those that may be tried again fail at first.
        let script = """
            \(notebook.script)
            n = event.request.payload.n
            if n % 2 and event.job.attempt == 1 and event.job.max_attempts > 1: raise Exception('at first')
            return {'n': n, 'attempt': event.job.attempt, 'mark': mark}
            """
        let config = #","retry_on_error":true,"max_attempts":20"#
        try await tenant.save("echo", "python3", script, config: config)
        let sleeper = """
            import time
            \(notebook.script)
            if event.job.attempt == 1: time.sleep(90)
            return event.job.attempt
            """
        try await tenant.save("sleeper", "python3", sleeper, config: config)
    }

    func close() async throws {
        try await house.close()
        relay.close()
        disk?.remove()
        try await notebook.close()
    }

    /// Makes a fault and mends it. What it leaves is for the installation to get over.
    func make(_ kind: Kind, _ number: Int, under load: Load, _ dice: inout Dice) async throws {
        // How long the fault lasts, by what happens meanwhile.
        let few = Int.random(in: 0...3, using: &dice)
        switch kind {
        case .killWorker: try await killWorker()
        case .killIngress:
            let program = try await house.program("ingress \(number)")
            program.signal(SIGKILL)
            _ = try await program.end()
            try await house.start("ingress \(number)")
        case .stopWorker:
            let worker = try await house.program("worker \(number)")
            worker.signal(SIGSTOP)
            try await mending({ worker.signal(SIGCONT) }) {
                // It wakes up in the midst of its work, or finds that it has been given up.
                if few > 0 {
                    try await more(20 * few, "calls are answered") { load.now.answered }
                } else {
                    try await house.awaitGivingUp(worker.pid)
                }
            }
        case .drainWorker, .drainIngress:
            let name = kind == .drainWorker ? "worker \(number)" : "ingress \(number)"
            try await house.stop(name)
            try await house.start(name)
        case .crashServer:
            await house.crashServer()
            try await mending({ try await house.startServer() }) {
                try await more(few, "calls fail") { load.now.failures.count }
            }
        case .freezeServer:
            await house.freezeServer()
            try await mending({ await house.thawServer() }) { try await more(few, "calls end") { load.now.ended } }
        case .killBackends:
            try await eventually("there are sessions to end") { try await house.killBackends(0.6) > 0 }
        case .holdSnapshot:
            let snapshot = try await HeldTransaction(house.databaseURL)
            try await mending({ await snapshot.end() }) {
                try await more(40 * few, "calls are answered") { load.now.answered }
            }
        case .fillDisk:
            guard let disk else { return }
            try disk.fill()
            try await mending(disk.free) { try await more(1 + 3 * few, "calls fail") { load.now.failures.count } }
        case .cutConnections: try await cutting(relay.cut)
        case .swallowAnswers:
            relay.swallowAnswers()
            try await mending({ try await cutting(relay.cutAfterSilence) }) {
                try await more(3 * few, "answers are swallowed") { relay.swallowedAnswers }
            }
        }
    }

    /// Lets a fault last as long as `lasting`, and mends it whatever that came to.
    private func mending(_ mend: () async throws -> Void, _ lasting: () async throws -> Void) async throws {
        do {
            try await lasting()
        } catch {
            try await mend()
            throw error
        }
        try await mend()
    }

    /// Waits until a number has grown by so many.
    private func more(_ count: Int, _ what: String, of number: () -> Int) async throws {
        let before = number()
        try await eventually("\(count) more \(what)", within: .seconds(60)) { number() >= before + count }
    }

    private func cutting(_ cut: () -> Void) async throws {
        let before = relay.cutConnections
        cut()
        guard relay.cutConnections > before else { throw NeverHappened(description: "there was no connection to cut") }
    }

    /// Kills the worker that runs a job of which is known that it runs. The job runs again within 20 s of that.
    private func killWorker() async throws {
        var accepted = ""
        try await eventually("a long job is accepted") {
            let reply = try await tenant.send(
                "POST", "/api/v2/sleeper", "{}", headers: [(name: "Prefer", value: "respond-async")])
            accepted = (try? JSONText(checking: reply.body))?["id"]?.string ?? ""
            return reply.status == 202
        }
        let job = accepted
        var runner: String?
        try await eventually("the long job runs", within: .seconds(60)) {
            guard try notebook.runs().contains(where: { $0.job == job }),
                let process = try await house.runner(of: job)
            else { return false }
            runner = await house.name(of: process)
            return runner != nil
        }
        guard let runner else { return }
        let attempt = try notebook.runs().filter { $0.job == job }.map(\.attempt).max() ?? 1
        let worker = try await house.program(runner)
        worker.signal(SIGKILL)
        async let again: Void = {
            _ = try await worker.end()
            try await house.start(runner)
        }()
        try await eventually("the lost worker's job runs again", within: .seconds(20)) {
            try notebook.runs().contains { $0.job == job && $0.attempt > attempt }
        }
        try await again
    }
}
