import Core
import Database
import FoundationEssentials
import JobQueue
import Logging
import ServiceLifecycle
import TestSupport

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A queue on a database of its own, with its services running while `body` does.
struct TestQueue: Sendable {
    let database: Database
    let queue: JobQueue
    let waiters: JobWaiters
    let tenant = TenantID(rawValue: 1)

    @discardableResult
    static func with<T: Sendable>(_ body: @escaping @Sendable (TestQueue) async throws -> T) async throws -> T {
        try await with(url: try await TestPostgres.database(migrations: Migration.embedded), body)
    }

    /// - Parameter url: of a database that is up to date.
    @discardableResult
    static func with<T: Sendable>(
        url: String, _ body: @escaping @Sendable (TestQueue) async throws -> T
    ) async throws -> T {
        let options = DatabaseOptions(url: url, connections: 8)
        let database = Database(options, logger: quiet)
        let listener = Listener(options, logger: quiet)
        let queue = JobQueue(database: database, listener: listener, logger: quiet)
        let waiters = try await queue.makeWaiters(logger: quiet)
        let test = TestQueue(database: database, queue: queue, waiters: waiters)
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask { try await runs(listener) }
            group.addTask { try await runs(queue) }
            group.addTask { try await runs(waiters) }
            group.addTask { try await body(test) }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let result = ended {
                    await database.close()
                    return result
                }
            }
            throw CancellationError()
        }
    }

    private static func runs<T>(_ service: some Service) async throws -> T? {
        try await service.run()
        return nil
    }

    func job(
        asynchronous: Bool = false, maxAttempts: Int = 3, tenant: TenantID? = nil, payload: [UInt8] = [1, 2, 3]
    ) -> NewJob {
        NewJob(
            id: .new, tenant: tenant ?? self.tenant, app: 7, account: nil, service: "math", serviceID: 3, version: 1,
            language: .python3, verb: .post,
            isAsynchronous: asynchronous, maxAttempts: asynchronous ? maxAttempts : 1, wall: .seconds(60),
            startWithin: .seconds(3600), ingress: waiters.ingress, payload: payload, summary: [4])
    }

    func worker(tier: SandboxTier = .none) async throws -> WorkerID {
        try await queue.register(worker: "test", slots: 4, tier: tier)
    }

    func finish(_ job: ClaimedJob, _ worker: WorkerID, outcome: [UInt8] = [9]) async throws -> Bool {
        try await queue.finish(
            FinishedAttempt(
                job: job, worker: worker, status: .succeeded, usage: Self.usage(1), outcome: outcome))
    }

    /// Something of each kind, and `times` as much of it.
    static func usage(_ times: Int = 1) -> AttemptUsage {
        var usage = AttemptUsage()
        usage.userCPU = .microseconds(1500 * times)
        usage.systemCPU = .microseconds(500 * times)
        usage.peakMemoryBytes = 1 << 20
        usage.wall = .microseconds(3001 * times)
        usage.waited = .microseconds(4002 * times)
        usage.apiCalls = 5 * times
        usage.bytesIn = 6 * times
        usage.bytesOut = 7 * times
        usage.logBytes = 8 * times
        return usage
    }

    /// Makes a worker look as if it had been silent for a minute.
    func silence(_ worker: WorkerID) async throws {
        try await database.system.transaction { sql in
            _ = try sql.execute(
                Statement(
                    "test_silence",
                    "update worker set heartbeat_at = now() - interval '1 minute' where id = $1::bigint"),
                worker.rawValue)
        }
    }

    /// Whether a worker has not been given up. (A heartbeat would tell too, but keep it alive.)
    func exists(_ worker: WorkerID) async throws -> Bool {
        try await database.system.read { sql in
            let rows = try sql.query(
                Statement("test_worker_exists", "select id from worker where id = $1::bigint"), worker.rawValue)
            return !rows.isEmpty
        }
    }

    /// Makes runs look as if they had begun a minute ago.
    func age(_ jobs: [JobID]) async throws {
        try await database.system.transaction { sql in
            _ = try sql.execute(
                Statement(
                    "test_age", "update run set started_at = now() - interval '1 minute' where id = any ($1::uuid[])"),
                SQLArray(jobs))
        }
    }

    /// The statement of an enqueue, as a process sends it whose connection broke before the answer.
    func repeatEnqueue(_ job: NewJob) async throws {
        _ = try await database.system.execute(
            Statement(
                "test_repeat",
                """
                select enqueue_2(array[$1::uuid], array[$2::bigint], array[null]::bigint[], array[null]::bigint[],
                    array['math'], array[3]::bigint[], array[1], array['POST'], array[false], array[1]::smallint[],
                    array[60000], array[1]::bigint[], array[$3::bytea], array[$3::bytea], array[3]::smallint[],
                    array[false], array[null]::timestamptz[], array[null]::bigint[], array[3600000]::bigint[],
                    array[null]::uuid[], array[null]::text[], array[null]::bytea[], array[null]::bytea[], true)
                """), [job.id, job.tenant.rawValue, job.payload])
    }

    /// A statement with the rights of the program's queries, or of the tables' owner.
    func sql(_ text: StaticString, asOwner: Bool = false) async throws {
        let statement = Statement(text, text)
        if asOwner {
            _ = try await database.system.execute(statement)
        } else {
            try await database.system.transaction { _ = try $0.execute(statement) }
        }
    }

    /// The integers that a query finds.
    func numbers(_ text: StaticString) async throws -> [Int] {
        try await database.system.read { sql in
            try sql.query(Statement(text, text)).map { Int(try $0.decode(Int32.self)) }
        }
    }

    /// The days of January 2020 that have a partition.
    func oldDays() async throws -> [Int] {
        try await numbers("select right(relname, 1)::int from pg_class where relname ~ '^job_2020010[1-9]$' order by 1")
    }

    /// Runs `body` while the queue's upkeep is done.
    func whileUpkeep<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                try await upkeep().run()
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let ended { return ended }
            }
            throw CancellationError()
        }
    }

    func upkeep() -> QueueUpkeep { QueueUpkeep(queue: queue, logger: quiet) }
}

extension JobQueue {
    /// A claim of a worker that has every language and contains scripts as well as it said.
    func claim(_ worker: WorkerID, want: Int) async throws -> [ClaimedJob] {
        try await claim(worker, want: want, languages: ScriptLanguage.allCases, tier: .a)
    }
}
