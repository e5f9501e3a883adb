import Core
import JobQueue
import TestSupport
import Testing

/// A job from its acceptance to its one result.
@Suite struct LifeTests {
    @Test func aJobIsClaimedOnceAndEndsOnce() async throws {
        try await TestQueue.with { test in
            let job = test.job()
            try await test.queue.enqueue(job)
            #expect(try await test.queue.job(job.id, of: test.tenant)?.status == .queued)

            let worker = try await test.worker()
            let claimed = try #require(try await test.queue.claim(worker, want: 10).first)
            #expect(claimed.id == job.id)
            #expect(claimed.payload == job.payload)
            #expect(claimed.attempt == 1)
            #expect(claimed.wall == .seconds(60))
            #expect(try await test.queue.claim(worker, want: 10).isEmpty)
            #expect(try await test.queue.job(job.id, of: test.tenant)?.status == .running)

            #expect(try await test.finish(claimed, worker))
            #expect(try await !test.finish(claimed, worker), "a second end is refused")
            let record = try #require(try await test.queue.job(job.id, of: test.tenant))
            #expect(record.status == .succeeded)
            let result = try await test.queue.result(job.id, of: test.tenant)
            #expect(result?.outcome == [9])
            #expect(result?.cpu == .milliseconds(2))
            #expect(try await test.queue.payload(job.id, of: test.tenant) == job.payload)
        }
    }

    @Test func synchronousJobsGoFirstAndEachClassInItsOrder() async throws {
        try await TestQueue.with { test in
            let jobs = [true, false, true, false].map { test.job(asynchronous: $0) }
            for job in jobs { try await test.queue.enqueue(job) }
            let claimed = try await test.queue.claim(try await test.worker(), want: 10).map(\.id)
            #expect(claimed == [jobs[1].id, jobs[3].id, jobs[0].id, jobs[2].id])
        }
    }

    @Test func manyWorkersNeverShareAJob() async throws {
        try await TestQueue.with { test in
            let jobs = (0..<300).map { _ in test.job() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for job in jobs { group.addTask { try await test.queue.enqueue(job) } }
                try await group.waitForAll()
            }
            let claimed = try await withThrowingTaskGroup(of: [JobID].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let worker = try await test.worker()
                        var mine: [JobID] = []
                        while true {
                            let batch = try await test.queue.claim(worker, want: 7)
                            if batch.isEmpty { return mine }
                            for job in batch {
                                mine.append(job.id)
                                #expect(try await test.finish(job, worker))
                            }
                        }
                    }
                }
                return try await group.reduce(into: [JobID]()) { $0 += $1 }
            }
            // Rows that another worker has locked are passed over, so a worker may stop early; none is served twice.
            let rest = try await test.queue.claim(try await test.worker(), want: 1000).map(\.id)
            #expect((claimed + rest).count == 300)
            #expect(Set(claimed + rest) == Set(jobs.map(\.id)))
        }
    }

    @Test func anotherTenantSeesNothing() async throws {
        try await TestQueue.with { test in
            let job = test.job()
            try await test.queue.enqueue(job)
            #expect(try await test.queue.job(job.id, of: TenantID(rawValue: 2)) == nil)
            #expect(try await test.queue.job(test.job().id, of: test.tenant) == nil)
        }
    }

    @Test func whatAWorkerHandsBackCostsNoAttempt() async throws {
        try await TestQueue.with { test in
            try await test.queue.enqueue(test.job())
            let worker = try await test.worker()
            let first = try #require(try await test.queue.claim(worker, want: 1).first)
            try await test.queue.release([first.id], from: worker)
            let second = try #require(try await test.queue.claim(worker, want: 1).first)
            #expect(second.id == first.id)
            #expect(second.attempt == 1)
            #expect(
                try await test.queue.retry(second, from: worker, lost: true, usage: AttemptUsage()) != nil)
            #expect(try await test.queue.job(second.id, of: test.tenant)?.status == .queued)
            // After a pause that grows with the attempts.
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await test.upkeep().run() }
                try await eventually("the second attempt is ready") {
                    try await test.queue.claim(worker, want: 1).first?.attempt == 2
                }
                group.cancelAll()
            }
        }
    }
}
