import Core
import Database
import JobQueue

extension AttemptRecord {
    /// As `GET jobs/{id}/attempts` shows it.
    var json: JSONText {
        .object([
            ("attempt", .integer(number)),
            ("status", .string(status.rawValue)),
            ("started_at", .string(startedAt.description)),
            ("finished_at", .string(finishedAt?.description)),
            ("run_ms", .integer(finishedAt.map { ($0.microseconds - startedAt.microseconds) / 1000 })),
            ("cpu_ms", .integer(cpu?.milliseconds)),
            ("usage", usage?.json ?? .null),
        ])
    }
}
