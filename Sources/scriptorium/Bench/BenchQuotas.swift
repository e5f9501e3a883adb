import Core

/// Quotas of a benchmark's tenants.
extension JSONText {
    /// As many jobs at the same time as there are slots.
    static let withoutCap = withCap(nil)

    static func withCap(_ cap: Int?) -> JSONText { .object([("max_concurrent", .integer(cap))]) }

    static func withWeight(_ weight: Int) -> JSONText {
        .object([("max_concurrent", .null), ("weight", .integer(weight))])
    }
}
