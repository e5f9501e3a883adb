import Database

/// When and by whom a record was made and changed.
public struct RecordStamp: Sendable {
    public var createdAt = Timestamp(microseconds: 0)
    public var modifiedAt = Timestamp(microseconds: 0)
    public var createdBy: Int64?
    public var modifiedBy: Int64?

    public init() {}
}
