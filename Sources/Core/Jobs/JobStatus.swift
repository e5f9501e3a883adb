/// Where a job stands (contract.md §5).
public enum JobStatus: String, Sendable, Hashable, CaseIterable {
    case queued, running, succeeded, failed, cancelled, expired

    /// Whether the job has ended.
    public var isFinal: Bool { self != .queued && self != .running }
}
