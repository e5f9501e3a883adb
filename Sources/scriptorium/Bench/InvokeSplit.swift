import Core
import Database
import JobQueue

/// Where the time of calls has gone, in the order of their way. The parts of a call make up all of its time.
struct InvokeSplit: Sendable {
    /// In the order of ``names``, those of each call.
    private var parts = [[Duration]](repeating: [], count: names.count)
    /// The part of the run in which the script waited for a process.
    private var processWaits: [Duration] = []

    static let names = ["ingress", "queue", "run", "finish", "return"]
    /// How many calls are looked at.
    private static let most = 500

    init(
        _ replies: [BenchCaller.Reply], records: @Sendable ([JobID]) async throws -> [JobRecord]
    ) async throws {
        let step = max(1, replies.count / Self.most)
        var calls: [JobID: BenchCaller.Reply] = [:]
        for index in stride(from: 0, to: replies.count, by: step) {
            guard let id = replies[index].job.flatMap({ JobID($0) }) else { continue }
            calls[id] = replies[index]
        }
        for record in try await records(Array(calls.keys)) {
            guard let call = calls[record.id], record.status == .succeeded, record.attempt == 1,
                let started = record.startedAt, let finished = record.finishedAt, let usage = record.usage
            else {
                throw BenchFailure(
                    description: "job \(record.id) has answered, and is '\(record.status)' at attempt \(record.attempt)"
                )
            }
            let run = usage.waited + usage.wall
            let ofCall: [Duration] = [
                call.sentAt.duration(to: record.createdAt), record.createdAt.duration(to: started), run,
                started.duration(to: finished) - run, finished.duration(to: call.answeredAt),
            ]
            for (index, part) in ofCall.enumerated() { parts[index].append(part) }
            processWaits.append(usage.waited)
        }
        guard processWaits.count == calls.count, !calls.isEmpty else {
            throw BenchFailure(description: "of \(calls.count) jobs \(processWaits.count) are kept")
        }
    }

    /// What is kept of jobs.
    static func records(of ids: [JobID], _ tenant: TenantID, _ queue: JobQueue) async throws -> [JobRecord] {
        var records: [JobRecord] = []
        for id in ids {
            if let record = try await queue.job(id, of: tenant) { records.append(record) }
        }
        return records
    }

    /// The median of each part, in milliseconds.
    private var medians: [(name: String, median: Double)] {
        zip(Self.names, parts).map { ($0, $1.quantile(0.5)) }
    }

    var json: JSONText {
        var members: [(String, JSONText)] = [("jobs", .integer(processWaits.count))]
        for part in medians { members.append(("\(part.name)_p50_ms", .rounded(part.median))) }
        members.append(("process_wait_p50_ms", .rounded(processWaits.quantile(0.5))))
        return .object(members)
    }

    var text: String {
        let shown = medians.map { "\($0.name) \($0.median.shown) ms" }.joined(separator: ", ")
        return "of it, by the medians of \(processWaits.count) jobs: \(shown)"
    }
}

extension Timestamp {
    fileprivate func duration(to other: Timestamp) -> Duration { .microseconds(other.microseconds - microseconds) }
}
