import Catalog
import Core
import JobQueue

/// What a job's scripts have printed, opened and numbered.
struct LogReader: Sendable {
    let queue: JobQueue
    let tenant: TenantSnapshot
    let job: JobID

    struct Line: Sendable {
        let seq: Int64
        /// `{"seq","at","stream","text"}`
        let json: JSONText
    }

    /// The next lines after `seq`, as many as one look gives.
    func next(after seq: Int64) async throws -> [Line] {
        var lines: [Line] = []
        for piece in try await queue.logs(job, of: tenant.id, after: seq) {
            let bytes = try tenant.dataKey.open(piece.lines, label: piece.label)
            var number = piece.first
            for line in JSONText(trusted: String(decoding: bytes, as: UTF8.self)).elements {
                if number > seq {
                    let members = [("seq", JSONText.integer(number))] + line.members.map { ($0.key, $0.value) }
                    lines.append(Line(seq: number, json: .object(members)))
                }
                number += 1
            }
        }
        return lines
    }

    /// All lines after `seq`. The tenant's `log_bytes` bounds them.
    func lines(after seq: Int64) async throws -> [Line] {
        var lines: [Line] = []
        while true {
            let next = try await next(after: lines.last?.seq ?? seq)
            guard !next.isEmpty else { return lines }
            lines += next
        }
    }

    /// Where the job stands.
    func status() async throws -> JobStatus? { try await queue.job(job, of: tenant.id)?.status }
}
