import Core
import Database
import JobQueue
import TestSupport
import Testing

/// Lanes: who is served, how many at once, and in what order.
@Suite struct LaneTests {
    private func tenant(_ number: Int64) -> TenantID { TenantID(rawValue: number) }

    private func enqueue(_ count: Int, of tenant: Int64, _ test: TestQueue, asynchronous: Bool = true) async throws {
        for _ in 0..<count {
            try await test.queue.enqueue(
                test.job(asynchronous: asynchronous, tenant: TenantID(rawValue: tenant)))
        }
    }

    /// A tenant whose service 3, which the tests' jobs are for, may run one job at a time.
    private func makeCappedService(_ test: TestQueue) async throws {
        try await test.sql("insert into tenant (name, data_key) values ('acme', 'x')")
        try await test.sql(
            "insert into service (tenant, id, name, type, version) values (1, 3, 'math', 'python3', 1)")
        try await test.sql(
            #"insert into service_version (tenant, service, version, language, content, config) values (1, 3, 1, 'python3', '', '{"max_concurrent":1}')"#
        )
    }

    @Test func aTenantIsServedUpToItsCapAndNoneWaitsForIt() async throws {
        try await TestQueue.with { test in
            try await test.sql(
                #"insert into tenant (name, quotas, data_key) values ('greedy', '{"max_concurrent":3}', 'x')"#)
            try await enqueue(20, of: 1, test)
            try await enqueue(2, of: 2, test)
            let worker = try await test.worker()
            let jobs = try await test.queue.claim(worker, want: 50)
            #expect(jobs.count(where: { $0.tenant == tenant(1) }) == 3)
            #expect(jobs.count(where: { $0.tenant == tenant(2) }) == 2)
            #expect(try await test.queue.claim(worker, want: 50).isEmpty)
            // Each that ends lets another begin.
            for job in jobs.filter({ $0.tenant == tenant(1) }).prefix(2) { #expect(try await test.finish(job, worker)) }
            #expect(try await test.queue.claim(worker, want: 50).count == 2)
            // A change holds at once.
            try await test.sql(#"update tenant set quotas = '{"max_concurrent":5}'"#)
            #expect(try await test.queue.claim(worker, want: 50).count == 2)
            try await test.sql(#"update tenant set quotas = '{"max_concurrent":null}', suspended = true"#)
            #expect(try await test.queue.claim(worker, want: 50).isEmpty)
            try await test.sql("update tenant set suspended = false")
            #expect(try await test.queue.claim(worker, want: 50).count == 13)
            #expect(try await audit(test).isEmpty)
        }
    }

    @Test func weightsShareOutTheWorkers() async throws {
        try await TestQueue.with { test in
            for quotas in [
                #"insert into tenant (name, quotas, data_key) values ('light', '{"max_concurrent":null}', 'x')"#,
                #"insert into tenant (name, quotas, data_key) values ('heavy', '{"max_concurrent":null,"weight":3}', 'x')"#,
            ] as [StaticString] { try await test.sql(quotas) }
            try await enqueue(60, of: 1, test)
            try await enqueue(60, of: 2, test)
            let worker = try await test.worker()
            var served: [TenantID: Int] = [:]
            for _ in 0..<40 {
                for job in try await test.queue.claim(worker, want: 1) { served[job.tenant, default: 0] += 1 }
            }
            #expect(served == [tenant(1): 10, tenant(2): 30])
        }
    }

    /// Who comes late is served next, whatever backlog others have.
    @Test func aLateTenantIsServedNext() async throws {
        try await TestQueue.with { test in
            try await enqueue(9, of: 1, test)
            let worker = try await test.worker()
            #expect(try await test.queue.claim(worker, want: 4).count == 4)
            try await enqueue(3, of: 2, test)
            let order = try await (0..<4).asyncMap { _ in try await test.queue.claim(worker, want: 1).first?.tenant }
            // Four of the other's had begun before it came.
            #expect(order == [tenant(2), tenant(2), tenant(2), tenant(1)])
        }
    }

    /// - Parameter turns: how many of a thousand others' jobs hold all slots, one of each tenant before a second one of any.
    @Test(arguments: [1000, 1500, 2020]) func aTenantThatComesLastWithOneJobIsServedNext(turns: Int) async throws {
        try await TestQueue.with { test in
            _ = try await test.database.system.execute(QueueSteps.fill, [Int32(5000), Int32(1000)])
            let worker = try await test.worker()
            var running: [ClaimedJob] = []
            while running.count < turns {
                running += try await test.queue.claim(worker, want: min(10, turns - running.count))
            }
            try await enqueue(1, of: 1001, test)
            #expect(try await test.finish(running[0], worker))
            #expect(try await test.queue.claim(worker, want: 1).map(\.tenant) == [tenant(1001)])
            // It had one.
            #expect(try await test.finish(running[1], worker))
            #expect(try await test.queue.claim(worker, want: 1).allSatisfy { $0.tenant != tenant(1001) })
            #expect(try await audit(test).isEmpty)
        }
    }

    @Test func prioritiesOrderOneTenantsJobs() async throws {
        try await TestQueue.with { test in
            var ids: [Int: JobID] = [:]
            for priority in [0, -100, 100, 10, -10] {
                var job = test.job(asynchronous: true)
                job.priority = priority
                ids[priority] = job.id
                try await test.queue.enqueue(job)
            }
            let waited = test.job()
            try await test.queue.enqueue(waited)
            let worker = try await test.worker()
            let order = try await test.queue.claim(worker, want: 9)
            #expect(order.map(\.id) == [waited.id] + [100, 10, 0, -10, -100].compactMap { ids[$0] })
            #expect(try await test.queue.job(order[1].id, of: test.tenant)?.priority == 100)
            // It keeps its place when it comes back.
            try await test.queue.release([order[4].id, order[2].id], from: worker)
            #expect(try await test.queue.claim(worker, want: 9).map(\.id) == [order[2].id, order[4].id])
        }
    }

    @Test func slotsAreKeptForCallersWhoWait() async throws {
        try await TestQueue.with { test in
            try await enqueue(5, of: 1, test)
            try await enqueue(5, of: 2, test)
            try await enqueue(1, of: 2, test, asynchronous: false)
            let worker = try await test.worker()
            let jobs = try await test.queue.claim(
                worker, want: 4, asynchronous: 2, languages: ScriptLanguage.allCases, tier: .a)
            #expect(jobs.count(where: \.isAsynchronous) == 2)
            #expect(jobs.count == 3)
            let none = try await test.queue.claim(
                worker, want: 4, asynchronous: 0, languages: ScriptLanguage.allCases, tier: .a)
            #expect(none.isEmpty)
            try await enqueue(1, of: 1, test, asynchronous: false)
            let one = try await test.queue.claim(
                worker, want: 4, asynchronous: 0, languages: ScriptLanguage.allCases, tier: .a)
            #expect(one.map(\.isAsynchronous) == [false])
        }
    }

    /// Jobs of a service at its cap stand aside, and go on in their order.
    @Test func aServiceHasACapOfItsOwn() async throws {
        try await TestQueue.with { test in
            try await makeCappedService(test)
            var ids: [JobID] = []
            for _ in 0..<4 {
                let job = test.job(asynchronous: true)
                ids.append(job.id)
                try await test.queue.enqueue(job)
            }
            var other = test.job(asynchronous: true)
            other.serviceID = 4
            try await test.queue.enqueue(other)
            let worker = try await test.worker()
            var jobs = try await test.queue.claim(worker, want: 9)
            #expect(Set(jobs.map(\.id)) == [ids[0], other.id])
            let standing = try await test.queue.standings(of: [ids[3]], of: test.tenant)[ids[3]]
            #expect(standing?.serviceLimit == 1 && standing?.serviceRunning == 1 && standing?.position == 2)
            for id in ids.dropFirst() {
                let capped = try #require(jobs.first { $0.serviceID == 3 })
                #expect(capped.isCapped)
                #expect(try await test.finish(capped, worker))
                jobs = try await test.queue.claim(worker, want: 9)
                #expect(jobs.map(\.id) == [id])
            }
            #expect(try await audit(test).isEmpty)
        }
    }

    /// A worker that dies without having said what ended leaves its lanes too full, and never for long.
    @Test func lostEndsAreCountedAnew() async throws {
        try await TestQueue.with { test in
            try await enqueue(11, of: 1, test)
            let worker = try await test.worker()
            for job in try await test.queue.claim(worker, want: 10) { #expect(try await test.finish(job, worker)) }
            // Another process knows nothing of these ends.
            try await test.sql("update lane set touched_at = now() - interval '6 seconds'")
            try await test.upkeep().tendLanes(thoroughly: false)
            #expect(try await test.numbers("select in_flight from lane") == [0])
            // What the first process says now comes too late to count.
            #expect(try await test.queue.claim(worker, want: 9).count == 1)
            #expect(try await test.numbers("select in_flight from lane") == [1])
            #expect(try await audit(test).isEmpty)
        }
    }

    /// Also where the lane is never quiet, because the little that may still run of it begins and ends all the time.
    @Test func lostEndsOfABusyLaneAreCountedAnew() async throws {
        try await TestQueue.with { test in
            try await enqueue(30, of: 1, test)
            let worker = try await test.worker()
            // What another process has ended, and not told.
            for job in try await test.queue.claim(worker, want: 9) {
                let end = try await test.database.system.transaction { try $0.finish(worker.rawValue, job.id) }
                #expect(end != nil)
            }
            let last = try #require(try await test.queue.claim(worker, want: 10).first)
            #expect(try await test.queue.claim(worker, want: 10).isEmpty)
            try await test.upkeep().tendLanes(thoroughly: true)
            #expect(try await test.numbers("select in_flight from lane") == [1])
            let jobs = try await test.queue.claim(worker, want: 10)
            #expect(jobs.count == 9)
            // Of these a recount knows that they have ended; what is said of them now comes too late to count, and what is
            // said besides counts.
            for job in jobs { #expect(try await test.finish(job, worker)) }
            try await test.upkeep().tendLanes(thoroughly: true)
            #expect(try await test.numbers("select in_flight from lane") == [1])
            #expect(try await test.finish(last, worker))
            #expect(try await test.queue.claim(worker, want: 20).count == 10)
            #expect(try await test.numbers("select in_flight from lane") == [10])
            #expect(try await audit(test).isEmpty)
        }
    }

    @Test func lostEndsOfACappedServiceAreCountedAnewWhileOthersAreBusy() async throws {
        try await TestQueue.with { test in
            try await makeCappedService(test)
            try await enqueue(2, of: 1, test)
            let worker = try await test.worker()
            let lost = try #require(try await test.queue.claim(worker, want: 10).first)
            let end = try await test.database.system.transaction { try $0.finish(worker.rawValue, lost.id) }
            #expect(end != nil)
            var other = test.job(asynchronous: true)
            other.serviceID = 4
            try await test.queue.enqueue(other)
            #expect(try await test.queue.claim(worker, want: 10).map(\.id) == [other.id])
            try await test.upkeep().tendLanes(thoroughly: true)
            #expect(try await test.queue.claim(worker, want: 10).map(\.serviceID) == [3])
            #expect(try await audit(test).isEmpty)
        }
    }

    private static let lock = Statement("test_lock_lanes", "select from lane for no key update")
    private static let blocks = Statement(
        "test_blocks",
        "select exists (select from pg_locks l where not l.granted and $1::integer = any (pg_blocking_pids(l.pid)))")

    /// A claim that is known to have changed nothing has told nothing.
    @Test func endsThatAClaimCouldNotTellAreToldByTheNext() async throws {
        try await TestQueue.with { test in
            try await enqueue(20, of: 1, test)
            let worker = try await test.worker()
            for job in try await test.queue.claim(worker, want: 10) { #expect(try await test.finish(job, worker)) }
            let other = try await OpenTransaction(test.database)
            try await other.run { _ = try $0.query(Self.lock) }
            let claim = Task { try await test.queue.claim(worker, want: 10) }
            try await eventually("the claim waits for the lane") {
                try await test.database.system.execute(Self.blocks, [other.process]).first?.decode(Bool.self) == true
            }
            claim.cancel()
            await #expect(throws: CancellationError.self) { try await claim.value }
            try await other.commit()
            #expect(try await test.queue.claim(worker, want: 10).count == 10)
            #expect(try await audit(test).isEmpty)
        }
    }

    /// Bounds refuse what is beyond them, and leave nothing behind.
    @Test func boundsRefuse() async throws {
        try await TestQueue.with { test in
            var outcomes: [Enqueued] = []
            for number in 0..<4 {
                var job = test.job(asynchronous: true)
                job.bounds.maxQueued = 2
                if number == 1 { job.start = .after(.seconds(60)) }
                job.idempotency = IdempotencyKey(caller: "app:7", key: [UInt8(number)], fingerprint: [])
                outcomes.append(try await test.queue.enqueue(job))
            }
            let refusal = QueueRefusal(kind: .queued, limit: 2, inUse: 2)
            #expect(outcomes == [.accepted, .accepted, .refused(refusal), .refused(refusal)])
            #expect(try await test.numbers("select count(*)::int from job") == [2])
            #expect(try await test.numbers("select count(*)::int from idempotency") == [2])
            var daily = test.job(tenant: tenant(2))
            daily.bounds.jobsPerDay = 1
            #expect(try await test.queue.enqueue(daily) == .accepted)
            daily.id = test.job().id
            #expect(
                try await test.queue.enqueue(daily) == .refused(QueueRefusal(kind: .jobsPerDay, limit: 1, inUse: 1)))
        }
    }

    private static let look = Statement("test_look_at_lanes", "select from lane limit 1")
    private static let renew = Statement("test_renew_lanes", "select renew_lanes_1()")

    /// Who waits for the table keeps everybody from it: not again and again while a dump has it.
    @Test func aTableThatOthersHoldIsNotWaitedForAgainAtOnce() async throws {
        try await TestQueue.with { test in
            try await test.sql(
                "insert into lane (tenant, suspended) select n, true from generate_series(1000, 12000) as n",
                asOwner: false)
            try await test.sql("delete from lane where tenant >= 1000")
            let dump = try await OpenTransaction(test.database)
            try await dump.run { _ = try $0.query(Self.look) }
            for isFirst in [true, false] {
                let renewal = try await OpenTransaction(test.database)
                let step = try await renewal.start { try $0.query(Self.renew).first?.decode(Bool.self) }
                if !isFirst { #expect(step.hasEnded) }
                #expect(try await step.value == false)
                try await renewal.commit()
            }
            try await dump.commit()
            try await test.sql("select setval('lane_renew_after', 0)")
            let renewed = try await test.database.system.execute(Self.renew).first?.decode(Bool.self)
            #expect(renewed == true)
        }
    }

    @Test func aRenewedTableHoldsTheSameLanes() async throws {
        try await TestQueue.with { test in
            try await enqueue(3, of: 1, test)
            let worker = try await test.worker()
            #expect(try await test.queue.claim(worker, want: 1).count == 1)
            // Dead versions, as a long transaction elsewhere leaves them.
            try await test.sql(
                "insert into lane (tenant, suspended) select n, true from generate_series(1000, 12000) as n",
                asOwner: false)
            try await test.sql("delete from lane where tenant >= 1000")
            try await test.sql("select renew_lanes_1()")
            #expect(try await test.numbers("select pg_total_relation_size('lane')::int / 1048576") == [0])
            #expect(try await test.queue.claim(worker, want: 9).count == 2)
            #expect(try await audit(test).isEmpty)
        }
    }

    private func audit(_ test: TestQueue) async throws -> [String] {
        try await QueueAudit(database: test.database).findings().filter { $0.count > 0 }
            // The tests' tenants have no rows.
            .map(\.name).filter { $0 != "one_tenant" }
    }
}

extension Sequence {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var values: [T] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
