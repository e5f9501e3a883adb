import Core
import Database
import JobQueue
import TestSupport
import Testing

/// What is written with the end of an attempt whose script has called others.
@Suite struct ChildTests {
    private func child(of parent: JobID, lines: Bool = true) -> FinishedChild {
        let now = ContinuousClock.now
        return FinishedChild(
            id: JobID(milliseconds: parent.milliseconds), parent: parent, service: "leaf", serviceID: 4, version: 2,
            verb: .put, wall: .seconds(60), began: now - .milliseconds(20), ended: now - .milliseconds(10),
            status: .succeeded, usage: TestQueue.usage(3), payload: [1], summary: [2], outcome: [3],
            lineCount: lines ? 1 : 0, lines: lines ? [4] : nil)
    }

    private func end(_ test: TestQueue, _ job: ClaimedJob, _ worker: WorkerID, _ children: [FinishedChild]) async throws
        -> Bool
    {
        try await test.queue.finish(
            FinishedAttempt(
                job: job, worker: worker, status: .succeeded, usage: TestQueue.usage(2), outcome: [9],
                children: children))
    }

    @Test func childrenAreThereWithTheirParentsEndAndTheAuditIsContent() async throws {
        try await TestQueue.with { test in
            try await test.sql("insert into tenant (name, data_key) values ('acme', 'x')")
            let worker = try await test.worker()
            try await test.queue.enqueue(test.job())
            // Others end beside it, and have none.
            try await test.queue.enqueue(test.job())
            let jobs = try await test.queue.claim(worker, want: 2)
            let first = child(of: jobs[0].id)
            let second = child(of: first.id, lines: false)
            async let one = end(test, jobs[0], worker, [first, second])
            async let other = end(test, jobs[1], worker, [])
            #expect(try await [one, other] == [true, true])

            let record = try #require(try await test.queue.job(first.id, of: test.tenant))
            let parent = try #require(try await test.queue.job(jobs[0].id, of: test.tenant))
            #expect(record.parent == jobs[0].id)
            #expect(record.status == .succeeded)
            #expect(record.app == parent.app)
            #expect(record.createdAt == parent.createdAt)
            #expect(record.serviceID == 4)
            #expect(record.cpu == .milliseconds(6))
            #expect(record.usage == TestQueue.usage(3))
            #expect(parent.usage == TestQueue.usage(2))
            let began = try #require(record.startedAt)
            let ended = try #require(record.finishedAt)
            #expect(ended.microseconds - began.microseconds == 10_000)
            #expect(ended <= (try #require(parent.finishedAt)))
            #expect(try await test.queue.job(second.id, of: test.tenant)?.parent == first.id)
            #expect(try await test.queue.payload(first.id, of: test.tenant) == [1])
            #expect(try await test.queue.result(first.id, of: test.tenant)?.outcome == [3])
            #expect(try await test.queue.logs(first.id, of: test.tenant, after: 0).map(\.lines) == [[4]])
            #expect(try await test.queue.logs(second.id, of: test.tenant, after: 0).isEmpty)
            #expect(try await test.numbers("select count(*)::int from ready") == [0])
            let findings = try await QueueAudit(database: test.database).findings()
            #expect(findings.allSatisfy { $0.count == 0 }, "\(findings.filter { $0.count > 0 })")
            var filter = JobFilter(since: Timestamp(microseconds: 0), limit: 10)
            filter.parent = jobs[0].id
            #expect(try await test.queue.jobs(filter, of: test.tenant).jobs.map(\.id) == [first.id])
        }
    }

    @Test func anAttemptThatHasNoSayLeavesNoChildren() async throws {
        try await TestQueue.with { test in
            let worker = try await test.worker()
            try await test.queue.enqueue(test.job())
            let job = try #require(try await test.queue.claim(worker, want: 1).first)
            #expect(try await test.queue.cancel(job.id, of: test.tenant) == .done)
            let late = child(of: job.id)
            #expect(try await !end(test, job, worker, [late]))
            #expect(try await test.queue.job(late.id, of: test.tenant) == nil)
        }
    }

    // What is said now, and what the program of before says, word for word.
    private static let ends = [
        Statement(
            "test_repeated_family",
            """
            select finish_3($1::bigint, array[$2::uuid], array[1]::smallint[], array[1]::smallint[], array['\\x09'::bytea],
                array[$3::timestamptz], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[],
                array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[],
                $4::boolean, array[$5::uuid], array[$2::uuid], array[$3::timestamptz], array[$2::uuid], array['leaf'],
                array[4]::bigint[], array[2], array['PUT'], array[60000], array[20]::bigint[], array[10]::bigint[],
                array[1]::smallint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[],
                array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[], array[0]::bigint[],
                array['\\x01'::bytea], array['\\x02'::bytea], array['\\x03'::bytea], array[0], array[null]::bytea[])
            """),
        Statement(
            "test_repeated_family_of_before",
            """
            select finish_2($1::bigint, array[$2::uuid], array[1]::smallint[], array[1]::smallint[],
                array[0]::bigint[], array[0]::bigint[], array['\\x09'::bytea], array[$3::timestamptz],
                $4::boolean, array[$5::uuid], array[$2::uuid], array[$2::uuid], array['leaf'],
                array[4]::bigint[], array[2], array['PUT'], array[60000], array[20]::bigint[],
                array[10]::bigint[], array[1]::smallint[], array[0]::bigint[], array[0]::bigint[],
                array['\\x01'::bytea], array['\\x02'::bytea], array['\\x03'::bytea], array[0],
                array[null]::bytea[])
            """),
    ]

    /// A write whose outcome was unknown is repeated, and counts once.
    @Test(arguments: ends.indices) func aRepeatedEndWritesItsChildrenOnce(program: Int) async throws {
        try await TestQueue.with { test in
            let worker = try await test.worker()
            try await test.queue.enqueue(test.job())
            let job = try #require(try await test.queue.claim(worker, want: 1).first)
            let only = child(of: job.id)
            for isRepeat in [false, true] {
                let accepted = try await test.database.system.execute(
                    Self.ends[program], [worker.rawValue, job.id, job.createdAt, isRepeat, only.id])
                #expect(accepted.count == 1)
            }
            #expect(try await test.numbers("select count(*)::int from job where parent is not null") == [1])
        }
    }
}
