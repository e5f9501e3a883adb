import Core
import Database

/// Some lines of a script's output, sealed.
public struct LogPiece: Sendable {
    public var job: JobID
    /// When the job was accepted, by the database's clock: it names the partition.
    public var createdAt: Timestamp
    public var tenant: TenantID
    /// The number of the first line.
    public var seq: Int64
    /// A sealed JSON array of `{"seq","at","stream","text"}`.
    public var lines: [UInt8]

    public init(job: JobID, createdAt: Timestamp, tenant: TenantID, seq: Int64, lines: [UInt8]) {
        self.job = job
        self.createdAt = createdAt
        self.tenant = tenant
        self.seq = seq
        self.lines = lines
    }
}
