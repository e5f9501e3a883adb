import Catalog
import Core
import Database
import JobQueue

/// A job as `GET jobs/{id}` and lists show it.
public struct JobView {
    let record: JobRecord
    let caller: Caller
    /// See ``WaitReasons``.
    let waitReason: JSONText?

    var json: JSONText {
        get throws {
            let tenant = caller.tenant
            let summary = try record.summary.map {
                JobSummary(bytes: try tenant.dataKey.open($0, label: JobResponses.summaryLabel(record.id)))
            }
            let error = try record.failure.map {
                try JobResponses(tenant: tenant).outcome(of: $0, requestID: caller.requestID).error
            }
            let started = record.startedAt
            // A child is kept as accepted with the job whose script called it, and begins when it is called.
            let created = record.parent == nil ? record.createdAt : started ?? record.createdAt
            let ready = max(created, record.runAt ?? created)
            let waited = started.map { max(0, $0.microseconds - ready.microseconds) / 1000 }
            let ran = record.finishedAt.flatMap { end in
                started.map { (end.microseconds - $0.microseconds) / 1000 }
            }
            return .object([
                ("id", .string(record.id.description)),
                ("status", .string(record.status.rawValue)),
                ("service", .string(record.service)),
                ("resource", .string(summary?.resource)),
                ("method", .string(record.verb)),
                ("attempt", .integer(record.attempt)),
                ("max_attempts", .integer(record.maxAttempts)),
                ("priority", .integer(record.priority)),
                ("app_id", .integer(record.app)),
                ("user_id", .integer(record.account)),
                ("parent_id", .string(record.parent?.description)),
                ("retry_of", .string(record.retryOf?.description)),
                ("idempotency_key", .string(summary?.idempotencyKey)),
                ("wait_reason", waitReason ?? .null),
                ("created_at", .string(created.description)),
                ("run_at", .string(record.runAt?.description)),
                ("started_at", .string(started?.description)),
                ("finished_at", .string(record.finishedAt?.description)),
                ("queue_ms", .integer(waited)),
                ("run_ms", .integer(ran)),
                ("cpu_ms", .integer(record.cpu?.milliseconds)),
                ("peak_memory_bytes", .integer(record.peakMemoryBytes)),
                ("usage", record.usage?.json ?? .null),
                ("error", error ?? .null),
                ("href", .string(Self.href(record.id))),
                ("response_href", .string(Self.href(record.id) + "/response")),
            ])
        }
    }

    public static func href(_ id: JobID) -> String { "/api/v2/jobs/\(id)" }

    /// The answer while a job has not ended.
    /// - Parameters:
    ///   - waitReason: see ``WaitReasons``.
    ///   - isQueuedService: whether the service is always answered so; the reference says `success` then.
    public static func accepted(
        _ id: JobID, status: JobStatus, waitReason: JSONText? = nil, isQueuedService: Bool = false
    ) -> ServiceResponse {
        .json(
            .object(
                (isQueuedService ? [("success", .bool(true))] : []) + [
                    ("id", .string(id.description)), ("status", .string(status.rawValue)),
                    ("href", .string(href(id))), ("response_href", .string(href(id) + "/response")),
                ] + (waitReason.map { [("wait_reason", $0)] } ?? [])),
            status: 202,
            headers: [(name: "Location", value: href(id)), (name: "Retry-After", value: "1")])
    }
}
