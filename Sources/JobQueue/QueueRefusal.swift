/// Why a job was not accepted: nothing of it is stored.
public struct QueueRefusal: Sendable, Hashable {
    /// The quota that is used up.
    public enum Kind: Sendable, Hashable {
        case queued
        case jobsPerDay
        case cpuSecondsPerDay
    }

    public var kind: Kind
    public var limit: Double
    /// How much of it is used.
    public var inUse: Double

    public init(kind: Kind, limit: Double, inUse: Double) {
        self.kind = kind
        self.limit = limit
        self.inUse = inUse
    }
}
