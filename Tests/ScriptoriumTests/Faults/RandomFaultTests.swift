import Core
import Database
import Glibc
import TestSupport
import Testing

/// Faults of every kind, one after the other and at random, under load.
///
/// - `SCRIPTORIUM_SOAK_SECONDS`: how long; 25 unless told.
/// - `SCRIPTORIUM_TEST_SEED`: to have the faults of an earlier run again.
@Suite struct RandomFaultTests {
    private static func number(_ variable: String) -> UInt64? {
        getenv(variable).flatMap { UInt64(String(cString: $0)) }
    }

    @Test func randomFaultsLoseNothing() async throws {
        let seed = Self.number("SCRIPTORIUM_TEST_SEED") ?? UInt64.random(in: 1 ... .max)
        let seconds = Int(clamping: Self.number("SCRIPTORIUM_SOAK_SECONDS") ?? 25)
        print("\(seconds) s of random faults, the seed is \(seed)")
        let faults = try await RandomFaults(megabytes: 320 + seconds)
        // Room for the check of each job at the end.
        let load = Load(faults.tenant, pause: .milliseconds(40))
        try await load.during(callers: 4) { try await Self.soak(faults, load, seed, for: .seconds(seconds)) }
        #expect(load.now.accepted.count > 20)
        let broken = try await Self.broken(load, faults)
        #expect(broken.isEmpty, "seed \(seed): \(broken.count) broken promises, such as \(broken.prefix(5))")
        let complaints = try await faults.house.audit()
        #expect(complaints.isEmpty, "seed \(seed): \(complaints)")
        #expect(await faults.house.ended == [], "seed \(seed)")
        try await faults.close()
    }

    /// Every kind comes once in each round, in an order of chance.
    private static func soak(
        _ faults: RandomFaults, _ load: Load, _ seed: UInt64, for time: Duration
    ) async throws {
        var dice = RandomFaults.Dice(state: max(1, seed))
        var deck: [RandomFaults.Kind] = []
        let clock = ContinuousClock()
        let end = clock.now + time
        while clock.now < end {
            if deck.isEmpty { deck = faults.kinds.shuffled(using: &dice) }
            let kind = deck.removeLast()
            let number = Int.random(in: 0...1, using: &dice)
            print("\(kind) \(number), \(clock.now.duration(to: end).components.seconds) s before the end")
            do {
                try await faults.make(kind, number, under: load, &dice)
            } catch {
                throw NeverHappened(description: "seed \(seed), \(kind) \(number): \(error)")
            }
            let before = load.now.answered
            try await eventually("seed \(seed): calls are answered after \(kind) \(number)", within: .seconds(60)) {
                load.now.answered > before + 5
            }
        }
    }

    // MARK: What was promised

    /// What does not hold of the jobs that were accepted: each has ended once, everybody who asks is told the same, and
    /// that is what its last run has given.
    private static func broken(_ load: Load, _ faults: RandomFaults) async throws -> [String] {
        let promises = load.now.accepted + load.now.awaited
        var broken = try await load.broken(of: faults.tenant, promises)
        // Also those that nobody was told of.
        let open = Statement(
            "open_jobs",
            "select (select count(*) from ready) + (select count(*) from run) + (select count(*) from delayed)")
        try await eventually("every job has ended", within: .seconds(180)) {
            try await faults.house.query(open).first?.decode(Int.self) == 0
        }
        let counts = Statement(
            "ends",
            """
            select j.id::text, count(r.id), coalesce(max(r.attempt), 0)::int4
            from job j left join result r on r.id = j.id group by j.id
            """)
        // The attempt that each has ended with.
        var ends: [String: Int] = [:]
        for row in try await faults.house.query(counts) {
            let (id, count, attempt) = try row.decode(String.self, Int64.self, Int32.self)
            if count != 1 { broken.append("job \(id) has ended \(count) times") }
            ends[id] = Int(attempt)
        }
        let runs = Dictionary(grouping: try faults.notebook.runs(), by: \.job)
        for (job, runs) in runs {
            guard let end = ends[job] else {
                broken.append("job \(job) has run and is not there")
                continue
            }
            if let late = runs.first(where: { $0.attempt > end }) {
                broken.append("job \(job) ended with attempt \(end), and attempt \(late.attempt) has run")
            }
        }
        for promise in promises {
            let job = String(promise.path.split(separator: "/").last ?? "")
            if ends[job] == nil { broken.append("job \(job) was accepted and is not there") }
        }
        for (path, answer) in load.seen {
            let job = String(path.split(separator: "/").last ?? "")
            let json = try? JSONText(checking: answer)
            let attempt = json?["attempt"]?.integer ?? 0
            let run = Notebook.Run(job: job, attempt: attempt, mark: json?["mark"]?.string ?? "")
            if ends[job] != attempt || runs[job]?.contains(run) != true {
                broken.append("job \(job) answers \(answer), which no run of its last attempt has given")
            }
        }
        print(
            "\(ends.count) jobs, \(promises.count) of them promised, \(load.seen.count) answered;"
                + " \(runs.values.reduce(0) { $0 + $1.count }) runs; \(load.now.failures.count) calls failed")
        return broken
    }
}
