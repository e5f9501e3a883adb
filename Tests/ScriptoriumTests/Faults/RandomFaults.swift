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
        // How long the fault lasts; nothing is waited for by it.
        let pause = Duration.milliseconds(Int.random(in: 0...3000, using: &dice))
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
            try await Task.sleep(for: pause * 6)
            worker.signal(SIGCONT)
        case .drainWorker, .drainIngress:
            let name = kind == .drainWorker ? "worker \(number)" : "ingress \(number)"
            try await house.stop(name)
            try await house.start(name)
        case .crashServer:
            await house.crashServer()
            try await Task.sleep(for: pause)
            try await house.startServer()
        case .freezeServer:
            await house.freezeServer()
            try await Task.sleep(for: pause * 4)
            await house.thawServer()
        case .killBackends:
            try await eventually("there are sessions to end") { try await house.killBackends(0.6) > 0 }
        case .holdSnapshot:
            let snapshot = try await HeldTransaction(house.databaseURL)
            try await Task.sleep(for: pause * 4)
            await snapshot.end()
        case .fillDisk: try await fillDisk(for: pause, under: load)
        case .cutConnections: try await cutting { relay.cut() }
        case .swallowAnswers:
            relay.swallowAnswers()
            try await Task.sleep(for: pause / 6)
            try await cutting { relay.cutAfterSilence() }
        }
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

    /// Lets the server's disk be full until calls fail of it, and a while longer.
    private func fillDisk(for pause: Duration, under load: Load) async throws {
        guard let disk else { return }
        let before = load.now.failures.count
        try disk.fill()
        defer { disk.free() }
        try await eventually("calls fail on the full disk", within: .seconds(60)) { load.now.failures.count > before }
        try await Task.sleep(for: pause)
    }
}
