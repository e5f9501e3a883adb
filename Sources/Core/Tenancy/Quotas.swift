/// What a tenant may use (contract.md §8). A nil stands for no limit. Seconds may be fractions.
public struct Quotas: Sendable, Hashable {
    public var maxBodyBytes = 10 << 20
    public var syncWaitSeconds = 30.0
    public var syncWaitMaxSeconds = 300.0
    public var retentionSeconds = 604_800.0
    public var wallSeconds = 60.0
    public var asyncWallSeconds = 3600.0
    public var logBytes = 1 << 20
    public var responseBytes = 10 << 20
    public var apiCalls = 1000
    public var callDepth = 8

    public init() {}

    /// Reads the JSON object that the tenant's row holds; a key that is missing keeps its default.
    public init(json: JSONText) {
        func integer(_ key: String, _ value: inout Int) { if let given = json[key]?.integer { value = given } }
        func double(_ key: String, _ value: inout Double) { if let given = json[key]?.double { value = given } }
        integer("max_body_bytes", &maxBodyBytes)
        double("sync_wait_seconds", &syncWaitSeconds)
        double("sync_wait_max_seconds", &syncWaitMaxSeconds)
        double("retention_seconds", &retentionSeconds)
        double("wall_seconds", &wallSeconds)
        double("async_wall_seconds", &asyncWallSeconds)
        integer("log_bytes", &logBytes)
        integer("response_bytes", &responseBytes)
        integer("api_calls", &apiCalls)
        integer("call_depth", &callDepth)
    }

    /// Why a quota object is not acceptable.
    public struct Invalid: Error, Sendable {
        public let message: String
    }

    /// Checks a `quotas` object as the operator gave it: known keys with values in their ranges.
    /// - Throws: ``Invalid``, whose message names the key and the range.
    public static func check(_ json: JSONText) throws(Invalid) {
        guard json.kind == .object else { throw Invalid(message: "'quotas' must be an object.") }
        for (key, value) in json.members {
            guard let range = ranges[key] else {
                let known = ranges.keys.sorted().joined(separator: ", ")
                throw Invalid(message: "Unknown quota '\(key)'. Known here: \(known).")
            }
            guard let number = value.double, range.contains(number) else {
                throw Invalid(
                    message: "Quota '\(key)' must be a number from \(JSONText.number(range.lowerBound))"
                        + " to \(JSONText.number(range.upperBound)).")
            }
        }
    }

    /// The quotas of this version and what each may be.
    static let ranges: [String: ClosedRange<Double>] = [
        "max_body_bytes": 1...Double(64 << 20),
        "sync_wait_seconds": 0...3600,
        "sync_wait_max_seconds": 0...3600,
        "retention_seconds": 60...31_536_000,
        "wall_seconds": 0.05...86_400,
        "async_wall_seconds": 0.05...604_800,
        "log_bytes": 0...Double(64 << 20),
        "response_bytes": 1...Double(64 << 20),
        "api_calls": 0...1_000_000,
        "call_depth": 0...64,
    ]
}
