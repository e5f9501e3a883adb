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

    init(
        id: JobID, tenant: TenantID, number: Int16, attempt: Int, startedAt: Timestamp?, finishedAt: Timestamp,
        cpu: Duration, peakMemoryBytes: Int, outcome: [UInt8]?
    ) {
        self.id = id
        self.tenant = tenant
        status = Self.status(number)
        workerLost = number == 5
        self.attempt = attempt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.cpu = cpu
        self.peakMemoryBytes = peakMemoryBytes
        self.outcome = outcome
    }

    init(_ row: Row) throws {
        let (id, tenant, status, attempt, startedAt, finishedAt, cpu, memory, outcome) = try row.decode(
            JobID.self, Int64.self, Int16.self, Int16.self, Timestamp?.self, Timestamp.self, Int64.self, Int64.self,
            [UInt8]?.self)
        self.init(
            id: id, tenant: TenantID(rawValue: tenant), number: status, attempt: Int(attempt), startedAt: startedAt,
            finishedAt: finishedAt, cpu: .microseconds(cpu), peakMemoryBytes: Int(memory), outcome: outcome)
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
