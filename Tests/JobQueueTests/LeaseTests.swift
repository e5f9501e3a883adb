import Core
import JobQueue
import TestSupport
import Testing

/// What happens to the jobs of a worker that falls silent.
@Suite struct LeaseTests {
    @Test func aLostWorkersJobsAreTakenBack() async throws {
        try await TestQueue.with { test in
            let synchronous = test.job()
            let asynchronous = test.job(asynchronous: true)
            try await test.queue.enqueue(synchronous)
            try await test.queue.enqueue(asynchronous)
            let lost = try await test.worker()
            let held = try await test.queue.claim(lost, want: 2)
            try await test.silence(lost)

            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await test.upkeep().run() }
                try await eventually("the synchronous job has ended") {
                    try await test.queue.job(synchronous.id, of: test.tenant)?.status == .failed
                }
                group.cancelAll()
            }
            let ended = try await test.queue.result(synchronous.id, of: test.tenant)
            #expect(ended?.workerLost == true)
            #expect(ended?.outcome == nil)

            let other = try await test.worker()
            let again = try #require(try await test.queue.claim(other, want: 5).first)
            #expect(again.id == asynchronous.id)
            #expect(again.attempt == 2)

            // The lost worker comes back: it is fenced, and its late result is refused.
            #expect(try await !test.queue.heartbeat(lost, holding: []))
            let late = try #require(held.first { $0.id == asynchronous.id })
            #expect(try await !test.finish(late, lost))
            #expect(try await test.queue.claim(lost, want: 5).isEmpty)
            #expect(try await test.finish(again, other, outcome: [2]))
            #expect(try await test.queue.result(asynchronous.id, of: test.tenant)?.outcome == [2])
        }
    }

    @Test func attemptsAreSpentOneByOne() async throws {
        try await TestQueue.with { test in
            let job = test.job(asynchronous: true, maxAttempts: 2)
            try await test.queue.enqueue(job)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await test.upkeep().run() }
                for attempt in 1...2 {
                    let worker = try await test.worker()
                    try await eventually("attempt \(attempt) is claimed") {
                        try await test.queue.claim(worker, want: 1).first?.attempt == attempt
                    }
                    try await test.silence(worker)
                }
                try await eventually("the job has failed") {
                    try await test.queue.job(job.id, of: test.tenant)?.status == .failed
                }
                group.cancelAll()
            }
            let result = try await test.queue.result(job.id, of: test.tenant)
            #expect(result?.attempt == 2)
            #expect(result?.workerLost == true)
        }
    }

    @Test func aLiveWorkerKeepsItsJobs() async throws {
        try await TestQueue.with { test in
            try await test.queue.enqueue(test.job())
            let worker = try await test.worker()
            let held = try #require(try await test.queue.claim(worker, want: 1).first)
            let silent = try await test.worker()
            try await test.silence(silent)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await test.upkeep().run() }
                try await eventually("the silent worker is given up") { try await !test.exists(silent) }
                group.cancelAll()
            }
            #expect(try await test.finish(held, worker))
        }
    }

    /// A claim that committed while its answer was lost leaves a run that nobody works on.
    @Test func whatALiveWorkerDoesNotKnowOfGoesBack() async throws {
        try await TestQueue.with { test in
            try await test.queue.enqueue(test.job())
            try await test.queue.enqueue(test.job())
            let worker = try await test.worker()
            let held = try await test.queue.claim(worker, want: 2)
            #expect(try await test.queue.heartbeat(worker, holding: []))
            #expect(try await test.queue.claim(worker, want: 2).isEmpty, "an answer may still be on its way")
            try await test.age(held.map(\.id))
            #expect(try await test.queue.heartbeat(worker, holding: [held[0].id]))
            let again = try await test.queue.claim(worker, want: 2)
            #expect(again.map(\.id) == [held[1].id])
            #expect(again.first?.attempt == 1)
            #expect(try await test.finish(held[0], worker))
        }
    }

    /// A batch whose outcome is unknown is written again, and stands in the queue once.
    @Test func aRepeatedEnqueueAddsNothing() async throws {
        try await TestQueue.with { test in
            let job = test.job()
            try await test.queue.enqueue(job)
            try await test.repeatEnqueue(job)
            #expect(try await test.queue.claim(try await test.worker(), want: 5).map(\.id) == [job.id])
        }
    }
}
