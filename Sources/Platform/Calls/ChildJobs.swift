import Catalog
import Core
import Database
import JobQueue
import Synchronization

/// The calls of scripts that the scripts of one attempt have made, until they are written with its end (contract.md §10).
final class ChildJobs: Sendable {
    private struct State {
        var ended: [ChildJob] = []
        var bytes = 0
        var isFull = false
    }

    private let state = Mutex(State())

    /// So many are recorded; the tenant's `api_calls` is usually less.
    static let most = 10_000
    /// Of requests, responses and lines together. What comes after them is recorded without.
    static let mostBytes = 8 << 20

    /// - Returns: a word for the job's log at the first that is not recorded.
    func add(_ child: ChildJob) -> String? {
        state.withLock { state in
            guard state.ended.count < Self.most else {
                defer { state.isFull = true }
                return state.isFull ? nil : "Of this job's calls of scripts \(Self.most) are recorded, and no more."
            }
            var child = child
            let bytes = child.bytes
            if state.bytes + bytes > Self.mostBytes {
                child.dropContents()
            } else {
                state.bytes += bytes
            }
            state.ended.append(child)
            return nil
        }
    }

    var all: [ChildJob] { state.withLock { $0.ended } }
}

/// One call of a script by a script, which has ended.
public struct ChildJob: Sendable {
    private let id: JobID
    private let parent: JobID
    private let tenant: TenantSnapshot
    private let payload: JobPayload
    private let wall: Duration
    private let began: ContinuousClock.Instant
    private let ended = ContinuousClock.now
    private let outcome: ScriptOutcome
    private var entries: [LogEntry]
    private var keepsContents = true

    // What the call shares with its attempt is not held: that holds this.
    init(
        _ call: ScriptCall, by parent: JobID, began: ContinuousClock.Instant, outcome: ScriptOutcome,
        entries: [LogEntry]
    ) {
        id = call.job.id
        self.parent = parent
        tenant = call.caller.tenant
        payload = JobPayload(
            request: call.request, session: call.caller.session, requestID: call.caller.requestID,
            trace: call.caller.trace, events: call.events)
        wall = call.limits.wall
        self.began = began
        self.outcome = outcome
        self.entries = entries
    }

    /// Without what it has called in turn.
    public var usage: AttemptUsage { outcome.usage }

    /// About how much it holds.
    var bytes: Int {
        let response = outcome.outcome.response
        let headers = (payload.request.headers + response.headers).reduce(0) {
            $0 + $1.name.utf8.count + $1.value.utf8.count
        }
        return payload.request.body.count + payload.request.query.utf8.count + response.body.count + headers
            + entries.reduce(0) { $0 + $1.line.text.utf8.count + 64 }
    }

    mutating func dropContents() {
        keepsContents = false
        entries = []
    }

    /// As it is written, sealed with the tenant's key.
    public func finished(by worker: WorkerID) throws -> FinishedChild {
        let key = tenant.dataKey
        let request = payload.request
        let service = tenant.services[request.service]
        let piece = LogPiece.label(id, attempt: 1, worker: worker.rawValue, piece: 1)
        return FinishedChild(
            id: id, parent: parent, service: request.service, serviceID: service?.id ?? 0,
            version: service?.version ?? 0, verb: request.verb, wall: wall, began: began, ended: ended,
            status: outcome.status, usage: outcome.usage,
            payload: keepsContents ? try key.seal(payload.bytes, label: JobResponses.payloadLabel(id)) : [],
            summary: try key.seal(
                JobSummary(resource: request.resource).bytes, label: JobResponses.summaryLabel(id)),
            outcome: keepsContents ? try key.seal(outcome.outcome.bytes, label: JobResponses.label(id)) : nil,
            lineCount: Int32(entries.count),
            lines: entries.isEmpty ? nil : try key.seal(Array(LogEntry.json(entries).text.utf8), label: piece))
    }
}

extension ScriptCall.Job {
    /// A call by a script of this job. The new id has this one's time: the two are kept side by side.
    func child() -> ScriptCall.Job {
        var child = ScriptCall.Job(
            id: JobID(milliseconds: id.milliseconds), attempt: 1, maxAttempts: 1, createdAt: Timestamp.now.description,
            deadline: deadline)
        child.parent = id
        child.root = root
        return child
    }
}

/// The lines of one child while it runs.
final class ChildLog: Sendable {
    private let kept = Mutex<[LogEntry]>([])

    func append(_ line: LogLine) { kept.withLock { $0.append(LogEntry(line)) } }

    var entries: [LogEntry] { kept.withLock { $0 } }
}
