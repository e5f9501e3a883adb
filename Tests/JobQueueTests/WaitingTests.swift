import Core
import JobQueue
import TestSupport
import Testing

/// Waiting for a job to end.
@Suite struct WaitingTests {
    @Test func everyWaiterGetsTheResultOfItsOwnJob() async throws {
        try await TestQueue.with { test in
            let worker = try await test.worker()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    let job = test.job(payload: [UInt8(number)])
                    group.addTask {
                        let result = try await test.waiters.result(of: job.id, limit: .seconds(20)) {
                            try await test.queue.enqueue(job)
                            return nil
                        }
                        #expect(result?.outcome == [UInt8(number)])
                    }
                }
                group.addTask {
                    var ended = 0
                    for await _ in test.queue.wakeups() {
                        while true {
                            let batch = try await test.queue.claim(worker, want: 8)
                            if batch.isEmpty { break }
                            for job in batch { _ = try await test.finish(job, worker, outcome: job.payload) }
                            ended += batch.count
                        }
                        if ended == 100 { return }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func aWaitEndsAtItsLimit() async throws {
        try await TestQueue.with { test in
            let job = test.job()
            try await test.queue.enqueue(job)
            let result = try await test.waiters.result(of: job.id, limit: .milliseconds(50))
            #expect(result == nil)
        }
    }

    @Test("Waits end at their own limits, in whatever order they began; one that is cancelled ends at once")
    func manyLimits() async throws {
        try await TestQueue.with { test in
            let cancelled = Task { try await test.waiters.result(of: test.job().id, limit: .seconds(600)) }
            // Nobody waits longer than the others by the limit of the first.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for limit in [900, 50, 600, 1, 300] {
                    group.addTask {
                        let result = try await test.waiters.result(of: test.job().id, limit: .milliseconds(limit))
                        #expect(result == nil)
                    }
                }
                try await group.waitForAll()
            }
            cancelled.cancel()
            #expect(try await cancelled.value == nil)
        }
    }

    /// As many as a tenant likes may ask for the same job: each costs as much as one for a job of its own.
    @Test func aCrowdWaitsForOneJob() async throws {
        try await TestQueue.with { test in
            let crowd = 12_000
            let job = test.job()
            try await test.queue.enqueue(job)
            let worker = try await test.worker()
            let claimed = try #require(try await test.queue.claim(worker, want: 1).first)
            let (begun, beginning) = AsyncStream.makeStream(of: Void.self)
            let served = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<crowd {
                    group.addTask {
                        let result = try await test.waiters.result(of: job.id, limit: .seconds(10)) {
                            beginning.yield()
                            return nil
                        }
                        return result?.status == .succeeded
                    }
                }
                var count = 0
                for await _ in begun {
                    count += 1
                    if count == crowd { break }
                }
                #expect(try await test.finish(claimed, worker))
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(served == crowd)
        }
    }

    @Test func anEndThatNobodyNotifiedIsFoundBySweeping() async throws {
        try await TestQueue.with { test in
            // Another process's job: its end is notified on a channel that nobody here listens to.
            var job = test.job()
            job.ingress = 999_999
            try await test.queue.enqueue(job)
            let worker = try await test.worker()
            let claimed = try #require(try await test.queue.claim(worker, want: 1).first)
            async let result = test.waiters.result(of: job.id, limit: .seconds(10))
            #expect(try await test.finish(claimed, worker))
            #expect(try await result?.status == .succeeded)
        }
    }

    @Test func aFailedAcceptanceEndsTheWait() async throws {
        try await TestQueue.with { test in
            await #expect(throws: ServiceError.self) {
                _ = try await test.waiters.result(of: test.job().id, limit: .seconds(10)) {
                    throw ServiceError(503, "no")
                }
            }
        }
    }
}
