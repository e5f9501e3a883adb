import Core
import Database
import JobQueue
import TestSupport
import Testing

/// The traps that lanes have, each laid out step by step with open transactions on a real PostgreSQL.
@Suite struct TrapTests {
    // MARK: A row's lock gives no fresh look at other tables

    @Test func `A claim that waited for a lane hands out nothing that another took meanwhile`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            let jobs = try await test.add(3, of: 1)
            let first = try await OpenTransaction(test.database)
            let taken = try await first.run { try $0.claim(worker, want: 2) }
            #expect(taken.map(\.job) == Array(jobs.prefix(2)))
            let second = try await OpenTransaction(test.database)
            let claim = try await second.start { try $0.claim(worker, want: 3) }
            #expect(!claim.hasEnded)
            try await first.commit()
            #expect(try await claim.value.map(\.job) == [jobs[2]])
            try await second.commit()
            #expect(try await test.numbers("select count(*)::int from run") == [3])
            try await test.expectSound()
        }
    }

    /// Who deletes the job's row has it, whatever was seen before.
    @Test func `A claim does not hand out a job that was cancelled while it looked`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            let jobs = try await test.add(3, of: 1)
            let cancellation = try await OpenTransaction(test.database)
            try await cancellation.run { try $0.cancel(jobs[1]) }
            let claiming = try await OpenTransaction(test.database)
            let claim = try await claiming.start { try $0.claim(worker, want: 3) }
            #expect(!claim.hasEnded)
            try await cancellation.commit()
            #expect(try await claim.value.map(\.job) == [jobs[0], jobs[2]])
            try await claiming.commit()
            #expect(try await test.numbers("select count(*)::int from run") == [2])
        }
    }

    // MARK: What is decided before the commit is seen only after it

    @Test func `A job with a smaller number that commits late is claimed at once`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            try await test.withoutCaps(1)
            try await test.holdFloor()
            var expected = try await test.add(1, of: 1)
            let late = JobID.new
            let enqueue = try await OpenTransaction(test.database)
            try await enqueue.run { try $0.enqueue(late, of: 1) }
            expected += try await test.add(4, of: 1)
            var claimed: [JobID] = []
            // More than it takes to move the heads twice.
            for _ in 0..<expected.count {
                claimed += try await test.claim(worker, want: 1).map(\.job)
                try await test.makeHeadsDue()
            }
            #expect(claimed == expected)
            #expect(try await test.heads() < 2)
            try await enqueue.commit()
            #expect(try await test.claim(worker, want: 1).map(\.job) == [late])
            // Heads that always stay where they are would be no art. They move on as soon as all transactions have ended that
            // are under way, also those of other tests: PostgreSQL numbers them together.
            try await eventually("the heads move past it") {
                _ = try await test.add(1, of: 1)
                try await test.makeHeadsDue()
                #expect(try await test.claim(worker, want: 1).count == 1)
                return try await test.heads() > 2
            }
            try await test.expectSound()
        }
    }

    /// A transaction that is older than others are waited for is found by the upkeep.
    @Test func `A job with a smaller number that commits very late is found`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            try await test.withoutCaps(1)
            var expected = try await test.add(1, of: 1)
            let late = JobID.new
            let enqueue = try await OpenTransaction(test.database)
            try await enqueue.run { try $0.enqueue(late, of: 1) }
            var claimed: [JobID] = []
            try await eventually("nobody waits for it any more") {
                expected += try await test.add(1, of: 1)
                // A second passes with each.
                try await test.moveFloor()
                try await test.makeHeadsDue()
                claimed += try await test.claim(worker, want: 1).map(\.job)
                return try await test.heads() > 2
            }
            #expect(claimed == Array(expected.dropLast()))
            try await enqueue.commit()
            try await test.upkeep().tendLanes(thoroughly: true)
            #expect(try await test.claim(worker, want: 2).map(\.job) == [late] + expected.suffix(1))
            try await test.expectSound()
        }
    }

    /// Where the lane stands is decided before others can see that it may be served; they go on meanwhile.
    @Test(arguments: [1, 3])
    func `A lane that comes in late is found, though others have passed it`(moves: Int) async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            try await test.withoutCaps(2)
            let others = try await test.add(20, of: 1)
            try await test.holdFloor()
            #expect(try await test.claim(worker, want: 2).count == 2)
            let late = JobID.new
            let enqueue = try await OpenTransaction(test.database)
            try await enqueue.run { try $0.enqueue(late, of: 2) }
            var claimed = 2
            for _ in 0..<moves {
                claimed += try await test.claim(worker, want: 4).count
                try await test.moveFloor()
                claimed += try await test.claim(worker, want: 1).count
                try await test.holdFloor()
            }
            #expect(claimed == 2 + 5 * moves)
            try await enqueue.commit()
            // The others have come further than where it stands.
            let (own, theirs) = (try await test.standing(2), try await test.standing(1))
            #expect(own < theirs)
            if moves > 1 {
                // So late that nobody looks there any more.
                #expect(try await test.floor() > own)
                try await test.upkeep().tendLanes(thoroughly: true)
            } else {
                #expect(try await test.floor() <= own)
            }
            #expect(try await test.claim(worker, want: 2).map(\.job) == [late, others[claimed]])
            try await test.expectSound()
        }
    }

    // MARK: Waiting for a lane while another is held

    /// Two workers of which each holds the lane that the other one wants.
    @Test func `A claim that holds a lane waits for no other`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            var opposites: [Opposite] = []
            for (tenant, language) in [(1, QueueSteps.python3), (2, QueueSteps.nodejs)] as [(Int64, Int16)] {
                _ = try await test.add(1, of: tenant)
                let job = try #require(try await test.claim(worker, want: 1).first)
                let end = try await test.database.system.transaction { try $0.finish(worker, job.job) }
                opposites.append(
                    Opposite(
                        transaction: try await OpenTransaction(test.database), tenant: tenant, language: language,
                        generation: try #require(end)))
            }
            // In each lane there is what the other's worker is able to run.
            let jobs = [
                try await test.add(1, of: 2, language: QueueSteps.python3),
                try await test.add(1, of: 1, language: QueueSteps.nodejs),
            ]
            for opposite in opposites {
                let none = try await opposite.transaction.run { sql in
                    try sql.claim(worker, want: 0, ended: [(opposite.tenant, opposite.generation)])
                }
                #expect(none.isEmpty)
            }
            for opposite in opposites {
                // What a recount has overtaken counts for nothing; the lane is held for it all the same.
                let claim = try await opposite.transaction.start { sql in
                    try sql.claim(worker, want: 2, language: opposite.language, ended: [(opposite.tenant, -1)])
                }
                #expect(claim.hasEnded)
                #expect(try await claim.value.isEmpty)
            }
            for opposite in opposites { try await opposite.transaction.commit() }
            for (opposite, jobs) in zip(opposites, jobs) {
                let claimed = try await test.database.system.transaction { sql in
                    try sql.claim(worker, want: 2, language: opposite.language)
                }
                #expect(claimed.map(\.job) == jobs)
            }
            try await test.expectSound()
        }
    }

    private struct Opposite {
        let transaction: OpenTransaction
        let tenant: Int64
        let language: Int16
        let generation: Int64
    }

    @Test func `A claim waits for a lane only where it holds none`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            let first = try await test.add(2, of: 1)
            let second = try await test.add(2, of: 2)
            let claims = [try await OpenTransaction(test.database), try await OpenTransaction(test.database)]
            // The lanes stand in the order of their tenants: each has one.
            let taken = [
                try await claims[0].run { try $0.claim(worker, want: 1) },
                try await claims[1].run { try $0.claim(worker, want: 1) },
            ]
            #expect(taken.map { $0.map(\.job) } == [[first[0]], [second[0]]])
            let waiting = try await OpenTransaction(test.database)
            let claim = try await waiting.start { try $0.claim(worker, want: 2) }
            #expect(!claim.hasEnded)
            // Both lanes are others'; who is locked out of neither can see it.
            try await claims[1].commit()
            let free = try await OpenTransaction(test.database)
            let unlocked = try await free.run { sql in
                try sql.query(Self.unlocked).map { try $0.decode(Int64.self) }
            }
            #expect(unlocked == [2])
            #expect(!claim.hasEnded)
            await free.rollBack()
            try await claims[0].commit()
            #expect(Set(try await claim.value.map(\.job)) == [first[1], second[1]])
            try await waiting.commit()
            try await test.expectSound()
        }
    }

    private static let unlocked = Statement(
        "test_unlocked_lanes", "select tenant from lane order by tenant for no key update skip locked")

    // MARK: Parking an empty lane

    @Test func `A lane is not parked while somebody adds to it`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            let first = try await test.add(1, of: 1)
            let late = JobID.new
            let enqueue = try await OpenTransaction(test.database)
            try await enqueue.run { try $0.enqueue(late, of: 1) }
            // All there is, and more was asked for: it is empty for all that a claim can see.
            #expect(try await test.claim(worker, want: 3).map(\.job) == first)
            #expect(try await test.claim(worker, want: 3).isEmpty)
            try await enqueue.commit()
            #expect(try await test.runnable() == [1])
            #expect(try await test.claim(worker, want: 3).map(\.job) == [late])
            // With nobody there it is.
            #expect(try await test.claim(worker, want: 3).isEmpty)
            #expect(try await test.runnable() == [])
            try await test.expectSound()
        }
    }

    @Test func `A job that is added while its lane is being parked wakes it again`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            let first = try await test.add(1, of: 1)
            let claiming = try await OpenTransaction(test.database)
            #expect(try await claiming.run { try $0.claim(worker, want: 3) }.map(\.job) == first)
            let late = JobID.new
            let adding = try await OpenTransaction(test.database)
            let enqueue = try await adding.start { try $0.enqueue(late, of: 1) }
            // It must know what becomes of the lane.
            #expect(!enqueue.hasEnded)
            try await claiming.commit()
            #expect(try await test.runnable() == [])
            try await enqueue.value
            try await adding.commit()
            #expect(try await test.runnable() == [1])
            #expect(try await test.claim(worker, want: 3).map(\.job) == [late])
            try await test.expectSound()
        }
    }

    // MARK: A lane's lock that waits for the disk

    @Test func `A tenant's claims go on while its enqueues and finishes are on their way to the disk`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            let jobs = try await test.add(9, of: 1)
            #expect(try await test.claim(worker, want: 2).map(\.job) == Array(jobs[0..<2]))
            let finishing = [try await OpenTransaction(test.database), try await OpenTransaction(test.database)]
            let adding = try await OpenTransaction(test.database)
            let late = JobID.new
            let ends = [
                try await finishing[0].run { try $0.finish(worker, jobs[0]) },
                try await finishing[1].run { try $0.finish(worker, jobs[1]) },
            ]
            try await adding.run { try $0.enqueue(late, of: 1) }
            // Neither has locked the lane, so that none of these waits.
            for number in 2..<6 {
                let claiming = try await OpenTransaction(test.database)
                let claim = try await claiming.start { try $0.claim(worker, want: 1) }
                #expect(claim.hasEnded)
                #expect(try await claim.value.map(\.job) == [jobs[number]])
                try await claiming.commit()
            }
            try await finishing[0].commit()
            try await finishing[1].commit()
            try await adding.commit()
            let ended = try ends.map { (tenant: Int64(1), generation: try #require($0)) }
            let left = try await test.database.system.transaction { try $0.claim(worker, want: 9, ended: ended) }
            #expect(left.map(\.job) == jobs[6...] + [late])
            try await test.expectSound()
        }
    }

    // MARK: Counting anew beside ends that are not told yet

    /// A busy lane is counted too: an end counts once, whether it was before or after.
    @Test func `A recount waits for ends that are under way, and counts what they leave`() async throws {
        try await TestQueue.with { test in
            let worker = try await test.workerNumber()
            let jobs = try await test.add(4, of: 1)
            try await test.sql("update lane set cap = 3")
            #expect(try await test.claim(worker, want: 4).count == 3)
            let early = try await test.database.system.transaction { try $0.finish(worker, jobs[0]) }
            let finishing = try await OpenTransaction(test.database)
            let late = try await finishing.run { try $0.finish(worker, jobs[1]) }
            let recounting = try await OpenTransaction(test.database)
            let recount = try await recounting.start { try $0.tendLanes() }
            #expect(!recount.hasEnded)
            try await finishing.commit()
            try await recount.value
            try await recounting.commit()
            #expect(try await test.numbers("select in_flight from lane") == [1])
            // Both ends are told now, and change nothing any more.
            let told = [early, late].compactMap(\.self).map { (tenant: Int64(1), generation: $0) }
            let last = try await test.database.system.transaction { try $0.claim(worker, want: 1, ended: told) }
            #expect(last.map(\.job) == [jobs[3]])
            #expect(try await test.numbers("select in_flight from lane") == [2])
            try await test.expectSound()
        }
    }
}

extension TestQueue {
    fileprivate func workerNumber() async throws -> Int64 { try await worker(tier: .a).rawValue }

    /// Adds jobs one after the other.
    fileprivate func add(
        _ count: Int, of tenant: Int64, language: Int16 = QueueSteps.python3
    ) async throws -> [JobID] {
        let jobs = (0..<count).map { _ in JobID.new }
        for job in jobs {
            try await database.system.transaction { try $0.enqueue(job, of: tenant, language: language) }
        }
        return jobs
    }

    fileprivate func claim(_ worker: Int64, want: Int) async throws -> [QueueSteps.Claimed] {
        try await database.system.transaction { try $0.claim(worker, want: want) }
    }

    /// What there is of rules that are broken; the tests' tenants have no rows.
    fileprivate func expectSound(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let broken = try await QueueAudit(database: database).findings().filter { $0.count > 0 }.map(\.name)
        #expect(broken.allSatisfy { $0 == "one_tenant" }, sourceLocation: sourceLocation)
    }

    /// As if no second passed from now on: what lags behind by seconds stays where it is.
    fileprivate func holdFloor() async throws {
        try await sql("select setval('lane_floor_since', 9000000000000000)")
    }

    /// As if a second had passed since the floor has moved: the next claim moves it.
    fileprivate func moveFloor() async throws { try await sql("select setval('lane_floor_since', 0)") }

    /// As if a tenth of a second had passed since the heads have been looked at.
    fileprivate func makeHeadsDue() async throws { try await sql("update lane set heads_at = '-infinity'") }

    /// Up to where asynchronous jobs of tenant 1 are not looked for any more.
    fileprivate func heads() async throws -> Int {
        try #require(try await numbers("select head_asynchronous::int from lane where tenant = 1").first)
    }

    fileprivate func floor() async throws -> Int {
        try #require(try await numbers("select last_value::int from lane_floor").first)
    }

    fileprivate func standing(_ tenant: Int) async throws -> Int {
        try #require(try await numbers("select vtime::int from lane order by tenant").dropFirst(tenant - 1).first)
    }

    fileprivate func runnable() async throws -> [Int] {
        try await numbers("select tenant::int from lane where runnable order by tenant")
    }

    /// Makes tenants, whose numbers are the first, that may run as much as they like.
    fileprivate func withoutCaps(_ count: Int) async throws {
        for name in ["one", "two"].prefix(count) {
            _ = try await database.system.transaction { sql in try sql.execute(Self.tenant, name) }
        }
    }

    private static let tenant = Statement(
        "test_tenant_without_cap",
        #"insert into tenant (name, quotas, data_key) values ($1::text, '{"max_concurrent":null}', 'x')"#)
}
