/// What a tenant may use (contract.md §8). A nil stands for no limit. Seconds may be fractions.
public struct Quotas: Sendable, Hashable {
    /// Calls over HTTP: how many in a second on the whole, and at once. See ``callRate``.
    public var ratePerSecond: Double? = 500
    public var rateBurst: Double? = 1000
    /// Jobs that wait to run.
    public var maxQueued: Int? = 10_000
    /// Jobs that run at the same time.
    public var maxConcurrent: Int? = 10
    /// The share of the workers where they are scarce, in proportion to the weights of others.
    public var weight = 1.0
    /// From midnight to midnight, UTC.
    public var jobsPerDay: Int?
    public var cpuSecondsPerDay: Double?
    public var maxBodyBytes = 10 << 20
    public var syncWaitSeconds = 30.0
    public var syncWaitMaxSeconds = 300.0
    public var retentionSeconds = 604_800.0
    public var wallSeconds = 60.0
    public var asyncWallSeconds = 3600.0
    public var cpuSeconds = 30.0
    public var memoryBytes = 256 << 20
    public var maxProcesses = 32
    public var tmpBytes = 64 << 20
    public var logBytes = 1 << 20
    public var responseBytes = 10 << 20
    public var apiCalls = 1000
    public var callDepth = 8
    public var egress = Egress.platform
    /// The least that scripts are contained in: jobs wait rather than run in less. Nil demands nothing.
    public var minTier: SandboxTier?

    /// Where calls of scripts may go that leave the installation.
    public enum Egress: Sendable, Hashable {
        /// Nowhere.
        case none
        /// To public addresses.
        case platform
        /// To public addresses, and to these hosts and networks.
        case allow([String])
    }

    public init() {}

    /// Reads the JSON object that the tenant's row holds: a key that is missing keeps its default, and null lifts the limit,
    /// where the installation has bounds of its own as far as those.
    public init(json: JSONText) {
        let given = Dictionary(json.members.map { ($0.key, $0.value) }) { _, last in last }
        func double(_ key: String, _ value: inout Double) {
            guard let text = given[key] else { return }
            value = text.double ?? Self.ranges[key]?.upperBound ?? value
        }
        func integer(_ key: String, _ value: inout Int) {
            var wide = Double(value)
            double(key, &wide)
            value = Int(wide)
        }
        func optional(_ key: String, _ value: inout Double?) {
            guard let text = given[key] else { return }
            value = text.isNull ? nil : text.double ?? value
        }
        func optional(_ key: String, _ value: inout Int?) {
            var wide = value.map { Double($0) }
            optional(key, &wide)
            value = wide.map { Int($0) }
        }
        optional("rate_per_second", &ratePerSecond)
        optional("rate_burst", &rateBurst)
        optional("max_queued", &maxQueued)
        optional("max_concurrent", &maxConcurrent)
        // A share has no limit that null could lift.
        weight = given["weight"]?.double ?? weight
        optional("jobs_per_day", &jobsPerDay)
        optional("cpu_seconds_per_day", &cpuSecondsPerDay)
        integer("max_body_bytes", &maxBodyBytes)
        double("sync_wait_seconds", &syncWaitSeconds)
        double("sync_wait_max_seconds", &syncWaitMaxSeconds)
        double("retention_seconds", &retentionSeconds)
        double("wall_seconds", &wallSeconds)
        double("async_wall_seconds", &asyncWallSeconds)
        double("cpu_seconds", &cpuSeconds)
        integer("memory_bytes", &memoryBytes)
        integer("max_processes", &maxProcesses)
        integer("tmp_bytes", &tmpBytes)
        integer("log_bytes", &logBytes)
        integer("response_bytes", &responseBytes)
        integer("api_calls", &apiCalls)
        integer("call_depth", &callDepth)
        minTier = given["min_tier"]?.string.flatMap(SandboxTier.init(demanded:))
        // Null lifts nothing here: what is not public must be named.
        if let value = given["egress"] {
            if let entries = Self.egressEntries(value) {
                egress = .allow(entries)
            } else if value.string == "none" {
                egress = .none
            }
        }
    }

    /// Why a quota object is not acceptable.
    public struct Invalid: Error, Sendable {
        public let message: String
    }

    /// Checks a `quotas` object as the operator gave it: known keys with values in their ranges, or null.
    /// - Throws: ``Invalid``, whose message names the key and the range.
    public static func check(_ json: JSONText) throws(Invalid) {
        guard json.kind == .object else { throw Invalid(message: "'quotas' must be an object.") }
        for (key, value) in json.members where !value.isNull {
            switch key {
            case "min_tier":
                guard value.string.flatMap(SandboxTier.init(demanded:)) != nil else {
                    throw Invalid(message: "Quota 'min_tier' must be \"A\", \"B\", \"C\" or null.")
                }
            case "egress":
                guard ["none", "platform"].contains(value.string) || egressEntries(value) != nil else {
                    throw Invalid(
                        message: "Quota 'egress' must be \"none\", \"platform\" or a list of at most"
                            + " \(mostEgressEntries) hosts and networks.")
                }
            default: try checkNumber(key, value)
            }
        }
    }

    /// The name of every quota, in alphabetical order.
    public static var keys: [String] { (Array(ranges.keys) + ["egress", "min_tier"]).sorted() }

    /// The hosts and networks that an `egress` lists; nil where it is no list.
    public static func egressEntries(_ egress: JSONText) -> [String]? {
        guard egress.kind == .array else { return nil }
        let entries = egress.elements
        guard entries.count <= mostEgressEntries, entries.allSatisfy({ $0.kind == .string }) else { return nil }
        return entries.compactMap(\.string)
    }

    private static let mostEgressEntries = 1000

    private static func checkNumber(_ key: String, _ value: JSONText) throws(Invalid) {
        guard let range = ranges[key] else {
            throw Invalid(message: "Unknown quota '\(key)'. Known are: \(keys.joined(separator: ", ")).")
        }
        guard let number = value.double, range.contains(number) else {
            throw Invalid(
                message: "Quota '\(key)' must be a number from \(JSONText.number(range.lowerBound))"
                    + " to \(JSONText.number(range.upperBound)), or null for no limit.")
        }
    }

    /// Every quota that is a number (contract.md §8), and what it may be.
    public static let ranges: [String: ClosedRange<Double>] = [
        "rate_per_second": 0...1_000_000,
        "rate_burst": 0...1_000_000,
        "max_queued": 0...100_000_000,
        "max_concurrent": 1...100_000,
        "weight": 0.01...1000,
        "max_body_bytes": 1...Double(64 << 20),
        "sync_wait_seconds": 0...3600,
        "sync_wait_max_seconds": 0...3600,
        "retention_seconds": 60...31_536_000,
        "wall_seconds": 0.05...86_400,
        "async_wall_seconds": 0.05...604_800,
        "cpu_seconds": 0.01...604_800,
        "memory_bytes": Double(16 << 20)...Double(1 << 40),
        "max_processes": 1...4096,
        "tmp_bytes": 0...Double(1 << 40),
        "log_bytes": 0...Double(64 << 20),
        "response_bytes": 1...Double(64 << 20),
        "api_calls": 0...1_000_000,
        "call_depth": 0...64,
        "jobs_per_day": 0...1_000_000_000,
        "cpu_seconds_per_day": 0...1_000_000_000,
    ]
}
