import Core
import Database
import JobQueue
import TestSupport
import Testing

/// A deep queue is not counted for each job, and stays within its bound all the same.
@Suite struct RoomTests {
    @Test func aDeepQueueStaysWithinItsBound() async throws {
        try await TestQueue.with { test in
            func job() -> NewJob {
                var job = test.job(asynchronous: true)
                job.bounds.maxQueued = 1200
                return job
            }
            let outcomes = try await withThrowingTaskGroup(of: Enqueued.self) { group in
                for _ in 0..<1500 { group.addTask { try await test.queue.enqueue(job()) } }
                return try await group.reduce(into: [Enqueued]()) { $0.append($1) }
            }
            #expect(outcomes.count { $0 == .accepted } == 1200)
            #expect(try await test.numbers("select count(*)::int from ready") == [1200])
            guard case .refused(let refusal) = try await test.queue.enqueue(job()) else {
                Issue.record("it was accepted")
                return
            }
            #expect(refusal == QueueRefusal(kind: .queued, limit: 1200, inUse: 1200))
            // Room is seen again soon.
            _ = try await test.queue.claim(try await test.worker(), want: 5)
            try await eventually("there is room") { try await test.queue.enqueue(job()) == .accepted }
        }
    }
}
