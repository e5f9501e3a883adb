import Core

/// Quotas of a benchmark's tenants.
extension JSONText {
    /// As many jobs at the same time as there are slots.
    static let withoutCap = withCap(enough)

    /// More than any benchmark lets run at the same time.
    private static let enough = 1_000_000

    static func withCap(_ cap: Int) -> JSONText { .object([("max_concurrent", .integer(cap))]) }

    static func withWeight(_ weight: Int) -> JSONText {
        .object([("max_concurrent", .integer(enough)), ("weight", .integer(weight))])
    }
}
