import Catalog
import Core
import JobQueue
import Platform

/// From an authorised call of a script to its job, and to the answer that the caller waits for.
///
/// A function that waits keeps the room of all that it holds for as long as the caller waits: so each does little, and what is
/// rare is in one of its own.
struct Acceptance: Sendable {
    let platform: Platform

    /// An idempotency key has brought the caller to a job that is there already.
    private struct Repeated: Error {
        let id: JobID
    }

    /// Writes the job, waits as long as the caller wants, and gives the script's response or a 202.
    /// - Throws: ``ServiceError``; `DatabaseError`, where the job may have been written.
    func answer(_ order: Order) async throws -> ServiceResponse {
        var id = order.id
        var response: ServiceResponse
        do {
            response = order.isAsynchronous ? try await accept(order) : try await wait(for: order)
        } catch let repeated as Repeated {
            id = repeated.id
            response = order.isAsynchronous ? try await acceptAgain(id, order) : try await waitAgain(for: id, order)
        }
        response.headers.append((name: "X-Scriptorium-Job", value: id.description))
        return response
    }

    /// 202 at once.
    @inline(never)
    private func accept(_ order: Order) async throws -> ServiceResponse {
        try await enqueue(order)
        return accepted(order.id, .queued, order)
    }

    /// The response of the job that the idempotency key has, where that has ended; else 202.
    @inline(never)
    private func acceptAgain(_ id: JobID, _ order: Order) async throws -> ServiceResponse {
        if let result = try await platform.queue.result(id, of: order.tenant.id) {
            return try order.response(of: result)
        }
        let record = try await platform.queue.job(id, of: order.tenant.id)
        return accepted(id, record?.status ?? .queued, order)
    }

    private func accepted(_ id: JobID, _ status: JobStatus, _ order: Order) -> ServiceResponse {
        var response = JobView.accepted(id, status: status, isQueuedService: order.isQueuedService)
        if let heard = order.heard { response.headers.append((name: "Preference-Applied", value: heard)) }
        return response
    }

    private func wait(for order: Order) async throws -> ServiceResponse {
        var result = try await platform.waiters.result(of: order.id, limit: .seconds(order.wait)) {
            try await apart { try await enqueue(order) }
            return nil
        }
        // A caller that has hung up changes nothing.
        if result == nil, order.cancels, !Task.isCancelled { result = try await expire(order) }
        return try await waited(for: order.id, result, order)
    }

    @inline(never)
    private func waitAgain(for id: JobID, _ order: Order) async throws -> ServiceResponse {
        let result = try await platform.waiters.result(of: id, limit: .seconds(order.wait)) {
            // It may have ended before the wait began.
            try await platform.queue.result(id, of: order.tenant.id)
        }
        return try await waited(for: id, result, order)
    }

    /// Ends the job whose caller's time is over; it may have ended by itself just before.
    @inline(never)
    private func expire(_ order: Order) async throws -> StoredResult? {
        _ = try await platform.queue.cancel(order.id, of: order.tenant.id, as: .expired)
        return try await platform.queue.result(order.id, of: order.tenant.id)
    }

    private func waited(for id: JobID, _ result: StoredResult?, _ order: Order) async throws -> ServiceResponse {
        var response: ServiceResponse
        if let result { response = try order.response(of: result) } else { response = await unfinished(id, order) }
        if let heard = order.heard { response.headers.append((name: "Preference-Applied", value: heard)) }
        return response
    }

    /// 202 for a job that stands, and has not ended within its caller's time.
    @inline(never)
    private func unfinished(_ id: JobID, _ order: Order) async -> ServiceResponse {
        // The job stands whatever this look says: its id must reach the caller.
        let record = try? await platform.queue.job(id, of: order.tenant.id)
        let reasons = WaitReasons(platform.queue, order.tenant)
        let reason: JSONText? = if let record { try? await reasons.reason(of: record) } else { nil }
        return JobView.accepted(id, status: record?.status ?? .queued, waitReason: reason)
    }

    /// - Throws: ``Repeated``; ``ServiceError`` 422 where the key was used for another request, 429 where the tenant's queue
    ///   or its day is full.
    @inline(never)
    private func enqueue(_ order: Order) async throws {
        guard let job = order.takeJob(), case .repeated(let id, let isSame) = try await platform.enqueue(job) else {
            return
        }
        guard isSame else {
            throw ServiceError(
                422,
                "This Idempotency-Key was used for another request within the last 24 hours. Send a new key with a new request.",
                context: [("job_id", .string(id.description))])
        }
        throw Repeated(id: id)
    }
}
