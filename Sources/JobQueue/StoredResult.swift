import Core
import Database

/// A job's one result.
public struct StoredResult: Sendable {
    public let id: JobID
    public let tenant: TenantID
    public let status: JobStatus
    /// Whether the job failed because its worker was lost.
    public let workerLost: Bool
    public let attempt: Int
    public let startedAt: Timestamp?
    public let finishedAt: Timestamp
    public let cpu: Duration
    public let peakMemoryBytes: Int
    /// A sealed ``JobOutcome``; nil where nobody was there to write one.
    public let outcome: [UInt8]?

    init(_ row: Row) throws {
        let (id, tenant, status, attempt, startedAt, finishedAt, cpu, memory, outcome) = try row.decode(
            JobID.self, Int64.self, Int16.self, Int16.self, Timestamp?.self, Timestamp.self, Int64.self, Int64.self,
            [UInt8]?.self)
        self.id = id
        self.tenant = TenantID(rawValue: tenant)
        self.status = Self.status(status)
        workerLost = status == 5
        self.attempt = Int(attempt)
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.cpu = .microseconds(cpu)
        peakMemoryBytes = Int(memory)
        self.outcome = outcome
    }

    /// The status behind the number in the table `result`.
    static func status(_ number: Int16) -> JobStatus {
        switch number {
        case 1: .succeeded
        case 3: .cancelled
        case 4: .expired
        default: .failed
        }
    }

    /// The number of a final status in the table `result`.
    static func number(_ status: JobStatus) -> Int16 {
        switch status {
        case .succeeded: 1
        case .cancelled: 3
        case .expired: 4
        case .failed, .queued, .running: 2
        }
    }
}
