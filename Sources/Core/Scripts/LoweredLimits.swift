/// The limits of an attempt that a service lowers for itself, under the names of the quotas (contract.md §8).
struct LoweredLimits: Sendable, Hashable {
    private let given: [String: Double]

    /// Reads a `config`. What can not be meant, of before it was checked, counts as the nearest that can.
    init(config: JSONText) {
        var given: [String: Double] = [:]
        for (key, range) in Self.ranges {
            guard let value = config[key]?.double else { continue }
            given[key] = min(max(value, range.lowerBound), range.upperBound)
        }
        self.given = given
    }

    /// The limits with what the service takes less of. What it asks for beyond them it does not get.
    func applied(to limits: AttemptLimits) -> AttemptLimits {
        var limits = limits
        func lower(_ key: String, _ value: inout Int) {
            if let most = given[key] { value = min(value, Int(most)) }
        }
        if let most = given["cpu_seconds"] { limits.cpu = min(limits.cpu, .seconds(most)) }
        lower("memory_bytes", &limits.memoryBytes)
        lower("max_processes", &limits.processes)
        lower("tmp_bytes", &limits.tmpBytes)
        lower("log_bytes", &limits.logBytes)
        lower("response_bytes", &limits.responseBytes)
        lower("api_calls", &limits.apiCalls)
        return limits
    }

    /// - Throws: ``ScriptSettings/Invalid`` with the key and what it must be.
    static func check(_ config: JSONText) throws(ScriptSettings.Invalid) {
        for (key, range) in ranges.sorted(by: { $0.key < $1.key }) {
            guard let value = config[key], !value.isNull else { continue }
            let isWhole = key != "cpu_seconds"
            guard let number = value.double, range.contains(number), !isWhole || number == number.rounded() else {
                throw ScriptSettings.Invalid(
                    message: "'config.\(key)' must be a \(isWhole ? "whole number" : "number") from"
                        + " \(JSONText.number(range.lowerBound)) to \(JSONText.number(range.upperBound)). Above the"
                        + " tenant's quota it counts as the quota.")
            }
        }
    }

    private static let ranges = Quotas.ranges.filter {
        [
            "cpu_seconds", "memory_bytes", "max_processes", "tmp_bytes", "log_bytes", "response_bytes", "api_calls",
        ].contains($0.key)
    }
}
