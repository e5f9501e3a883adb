import Catalog
import Core
import Database
import JobQueue

/// A job as `GET jobs/{id}` shows it.
public struct JobView {
    let record: JobRecord
    /// The sealed ``JobPayload``.
    let payload: [UInt8]?
    /// The end, where there is one.
    let result: StoredResult?
    let caller: Caller

    var json: JSONText {
        get throws {
            let payload = try payload.flatMap { sealed in
                let bytes = try caller.tenant.dataKey.open(sealed, label: JobResponses.payloadLabel(record.id))
                return JobPayload(bytes: bytes, tenant: caller.tenant.id)
            }
            let error = try result.map {
                try JobResponses(tenant: caller.tenant).outcome(of: $0, requestID: caller.requestID).error
            }
            let started = record.startedAt
            let waited = started.map { ($0.microseconds - record.createdAt.microseconds) / 1000 }
            let ran = result.flatMap { result in
                started.map { (result.finishedAt.microseconds - $0.microseconds) / 1000 }
            }
            return .object([
                ("id", .string(record.id.description)),
                ("status", .string(record.status.rawValue)),
                ("service", .string(record.service)),
                ("resource", .string(payload?.request.resource)),
                ("method", .string(record.verb)),
                ("attempt", .integer(record.attempt)),
                ("max_attempts", .integer(record.maxAttempts)),
                ("priority", .integer(0)),
                ("app_id", .integer(record.app)),
                ("user_id", .integer(record.account)),
                ("parent_id", .null),
                ("retry_of", .null),
                ("idempotency_key", .null),
                ("wait_reason", .null),
                ("created_at", .string(record.createdAt.description)),
                ("run_at", .string(record.runAt?.description)),
                ("started_at", .string(started?.description)),
                ("finished_at", .string(result?.finishedAt.description)),
                ("queue_ms", .integer(waited)),
                ("run_ms", .integer(ran)),
                ("cpu_ms", .integer(result?.cpu.milliseconds)),
                ("peak_memory_bytes", .integer(result?.peakMemoryBytes)),
                ("error", error ?? .null),
                ("href", .string(Self.href(record.id))),
                ("response_href", .string(Self.href(record.id) + "/response")),
            ])
        }
    }

    public static func href(_ id: JobID) -> String { "/api/v2/jobs/\(id)" }

    /// The answer while a job has not ended.
    public static func accepted(_ id: JobID, status: JobStatus) -> ServiceResponse {
        .json(
            .object([
                ("id", .string(id.description)), ("status", .string(status.rawValue)), ("href", .string(href(id))),
                ("response_href", .string(href(id) + "/response")),
            ]),
            status: 202,
            headers: [(name: "Location", value: href(id)), (name: "Retry-After", value: "1")])
    }
}
