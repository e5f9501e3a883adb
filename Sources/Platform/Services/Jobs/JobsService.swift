import Catalog
import Core
import Database
import JobQueue

/// `/api/v2/jobs`: what became of an invocation (contract.md §5).
struct JobsService: BuiltInService {
    let platform: Platform

    /// The longest wait of one call.
    static let longestWait = 60.0

    func answer(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse {
        let segments = request.resource.split(separator: "/")
        guard let first = segments.first else {
            throw ServiceError.badRequest(
                "\(request.verb.rawValue) requests without a resource are not currently supported by the 'jobs' service."
            )
        }
        try request.allow(.get)
        guard let id = JobID(String(first)), let record = try await visible(id, caller) else {
            throw ServiceError.notFound("Job '\(first)' not found.")
        }
        let settled = try await wait(for: record, try waitSeconds(request), caller)
        switch segments.dropFirst().joined(separator: "/") {
        case "":
            return .json(
                try JobView(
                    record: settled, payload: try await platform.queue.payload(id, of: caller.tenant.id),
                    result: try await result(of: settled, caller), caller: caller
                ).json)
        case "response": return try response(of: settled, try await result(of: settled, caller), caller)
        case "logs": return .json(try await logs(of: settled, request, caller))
        default: throw ServiceError.notFound("Resource '\(request.resource)' not found for service 'jobs'.")
        }
    }

    /// The job, where the caller may see it: an app its own, a user theirs, an admin all. Any other id is as good as none.
    private func visible(_ id: JobID, _ caller: Caller) async throws -> JobRecord? {
        guard let record = try await platform.queue.job(id, of: caller.tenant.id) else { return nil }
        let session = caller.session
        if session.isAdmin { return record }
        if let app = session.appID, record.app == app, record.account == session.user?.id || session.user == nil {
            return record
        }
        if let user = session.user, record.account == user.id, session.allows(.get, "jobs", "") { return record }
        return nil
    }

    private func waitSeconds(_ request: ServiceRequest) throws -> Double {
        guard let text = Query.value("wait", in: request.query) else { return 0 }
        guard let seconds = Double(text), seconds >= 0, seconds.isFinite else {
            throw ServiceError.badRequest("'wait' must be a number of seconds from 0 to 60.")
        }
        return min(seconds, Self.longestWait)
    }

    /// The job when it has ended, or as it stands when the wait is over.
    private func wait(for record: JobRecord, _ seconds: Double, _ caller: Caller) async throws -> JobRecord {
        guard !record.status.isFinal, seconds > 0 else { return record }
        let id = record.id
        let tenant = caller.tenant.id
        let queue = platform.queue
        _ = try await platform.waiters.result(of: id, limit: .seconds(seconds)) {
            // It may have ended before the wait began.
            try await queue.result(id, of: tenant)
        }
        return try await queue.job(id, of: tenant) ?? record
    }

    private func result(of record: JobRecord, _ caller: Caller) async throws -> StoredResult? {
        guard record.status.isFinal else { return nil }
        return try await platform.queue.result(record.id, of: caller.tenant.id)
    }

    private func response(
        of record: JobRecord, _ result: StoredResult?, _ caller: Caller
    ) throws -> ServiceResponse {
        guard let result else {
            return JobView.accepted(record.id, status: record.status)
        }
        if result.status == .cancelled || result.status == .expired {
            throw ServiceError(
                409, "The job was \(result.status.rawValue): there is no response.",
                context: [("job_id", .string(record.id.description))])
        }
        return try JobResponses(tenant: caller.tenant).outcome(of: result, requestID: caller.requestID).response
    }

    private func logs(of record: JobRecord, _ request: ServiceRequest, _ caller: Caller) async throws -> JSONText {
        var after: Int64 = 0
        if let text = Query.value("after", in: request.query) {
            guard let seq = Int64(text), seq >= 0 else {
                throw ServiceError.badRequest("'after' must be the 'seq' of a log line.")
            }
            after = seq
        }
        var lines: [JSONText] = []
        for piece in try await platform.queue.logs(record.id, of: caller.tenant.id, after: after) {
            let bytes = try caller.tenant.dataKey.open(piece.lines, label: piece.label)
            var seq = piece.first
            for line in JSONText(trusted: String(decoding: bytes, as: UTF8.self)).elements {
                if seq > after {
                    lines.append(.object([("seq", .integer(seq))] + line.members.map { ($0.key, $0.value) }))
                }
                seq += 1
            }
        }
        return .object([("resource", .array(lines))])
    }
}
