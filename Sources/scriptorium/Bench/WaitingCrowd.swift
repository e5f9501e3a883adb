import Catalog
import Core
import Database
import JobQueue
import Platform
import Synchronization

/// Callers who all wait at the same time, and who ends their waits.
struct WaitingCrowd: Sendable {
    let count: Int
    let url: String
    let ingress: BenchProgram
    let tenant: BenchTenant
    let rooms: BenchInstallation.Rooms

    /// Why a caller has no answer, for those who wait for others.
    private let failure = Failure()

    private final class Failure: Sendable {
        private let error = Mutex<(any Error)?>(nil)
        func note(_ error: any Error) { self.error.withLock { $0 = error } }
        func check() throws { if let error = error.withLock({ $0 }) { throw error } }
    }

    init(count: Int, url: String, ingress: BenchProgram, tenant: BenchTenant, rooms: BenchInstallation.Rooms) {
        self.count = count
        self.url = url
        self.ingress = ingress
        self.tenant = tenant
        self.rooms = rooms
    }

    /// How many connect or are answered at the same time.
    private static let step = 500

    func figures() async throws -> WaitFigures {
        guard try await rooms.queue.depth().workers == 0 else {
            throw BenchFailure(
                description: "workers live in this database and would answer: give another --database-url")
        }
        // What is done for the first time, and what a few callers leave behind, is not the waiters'.
        _ = try await wave([min(50, count)]) {}
        var figures = WaitFigures(waiters: count)
        figures.bytesBefore = try resident()
        figures.seconds = try await wave([count / 10, count - count / 10]) {
            figures.connections.append(try await connections())
            // Sweeps look for all of them meanwhile.
            for _ in 0..<10 {
                figures.bytesWaiting = max(figures.bytesWaiting, try resident())
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        try ingress.checkLife()
        return figures
    }

    private func resident() throws -> Int {
        guard let bytes = ProcessMemory.resident(ingress.pid) else {
            throw BenchFailure(description: "the ingress has ended")
        }
        return bytes
    }

    private func connections() async throws -> Int {
        let rows = try await rooms.database.system.execute(WaitSystemStatements.connections)
        return Int(try rows.first?.decode(Int64.self) ?? 0)
    }

    /// Lets callers come in several parts, until all of them wait, and answers them.
    /// - Parameter look: called when a part waits, beside all before it.
    /// - Returns: how long the answers took, from the first claim to the last answer, in seconds.
    private func wave(_ parts: [Int], _ look: () async throws -> Void) async throws -> Double {
        let clock = ContinuousClock()
        return try await withThrowingTaskGroup(of: String.self) { group in
            var callers: [BenchCaller] = []
            defer { for caller in callers { caller.close() } }
            for part in parts {
                progress("\(part) callers come")
                for start in stride(from: 0, to: part, by: Self.step) {
                    for caller in try await connected(min(Self.step, part - start)) {
                        callers.append(caller)
                        group.addTask {
                            do {
                                return try await call(caller)
                            } catch {
                                failure.note(error)
                                throw error
                            }
                        }
                    }
                    try await waitUntilAccepted(callers.count)
                }
                try await look()
            }
            progress("answering \(callers.count) callers")
            let begin = clock.now
            let ended = try await answer(callers.count)
            let answered = try await group.reduce(into: Set<String>()) { $0.insert($1) }
            let seconds = begin.duration(to: clock.now).seconds
            guard answered == ended, answered.count == callers.count else {
                throw BenchFailure(
                    description: "\(callers.count) callers were answered by \(answered.count) jobs, and \(ended.count)"
                        + " jobs were ended: each must have its own")
            }
            return seconds
        }
    }

    private func connected(_ count: Int) async throws -> [BenchCaller] {
        try await withThrowingTaskGroup(of: BenchCaller.self) { group in
            for _ in 0..<count { group.addTask { try await BenchCaller(url: url, key: tenant.apiKey) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// - Returns: the job, which is what the response must hold.
    private func call(_ caller: BenchCaller) async throws -> String {
        let reply = try await caller.get("/api/v2/\(BenchTenant.service)\(EchoScript.query(EchoScript.word()))")
        guard reply.status == 200, let job = reply.job, reply.body == Self.response(job).body else {
            let body = String(decoding: reply.body.prefix(500), as: UTF8.self)
            throw BenchFailure(
                description: "job \(reply.job ?? "without an id") was answered with \(reply.status) and \(body)")
        }
        return job
    }

    private static func response(_ job: String) -> ServiceResponse { .json(.object([("job", .string(job))])) }

    /// Until so many jobs are in the queue, which is when their callers wait.
    private func waitUntilAccepted(_ count: Int) async throws {
        while try await rooms.queue.depth().readySynchronous < Int64(count) {
            try ingress.checkLife()
            try failure.check()
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Claims so many jobs and ends them, as a worker that has run them.
    private func answer(_ count: Int) async throws -> Set<String> {
        guard let key = try await rooms.catalog.tenant(tenant.id)?.dataKey else {
            throw BenchFailure(description: "the tenant is gone")
        }
        let worker = try await rooms.queue.register(worker: "bench", slots: Self.step, tier: .a)
        var ended: Set<String> = []
        while ended.count < count {
            let jobs = try await rooms.queue.claim(worker, want: Self.step, languages: [.python3], tier: .a)
            guard !jobs.isEmpty else {
                throw BenchFailure(description: "of \(count) jobs \(ended.count) could be claimed")
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for job in jobs {
                    ended.insert(job.id.description)
                    group.addTask {
                        let outcome = JobOutcome(response: Self.response(job.id.description))
                        let sealed = try key.seal(outcome.bytes, label: JobResponses.label(job.id))
                        let isStored = try await rooms.queue.finish(
                            FinishedAttempt(
                                job: job, worker: worker, status: .succeeded, usage: AttemptUsage(), outcome: sealed))
                        guard isStored else { throw BenchFailure(description: "job \(job.id) could not be ended") }
                    }
                }
                try await group.waitForAll()
            }
        }
        try await rooms.queue.unregister(worker)
        return ended
    }
}

/// What `bench wait` asks the server.
private enum WaitSystemStatements {
    static let connections = Statement(
        "bench_connections",
        """
        select count(*) from pg_stat_activity
        where datname = current_database() and application_name like 'scriptorium-ingress%'
        """)
}
