import Core
import Database

/// How the tables `result` and `attempt` have it: peak_memory, wall_us, user_us, system_us, waited_us, api_calls, bytes_in,
/// bytes_out, log_bytes.
extension AttemptUsage {
    private var numbers: [Int64] {
        [
            Int64(peakMemoryBytes), wall.microseconds, userCPU.microseconds, systemCPU.microseconds,
            waited.microseconds,
            Int64(apiCalls), Int64(bytesIn), Int64(bytesOut), Int64(logBytes),
        ]
    }

    /// A parameter for each.
    var stored: [any PostgresEncodable] { numbers }

    /// An array for each, of all of `usages`.
    static func columns(_ usages: [AttemptUsage]) -> [any PostgresEncodable] {
        let rows = usages.map(\.numbers)
        return AttemptUsage().numbers.indices.map { column in SQLArray(rows.map { $0[column] }) }
    }

    /// Reads them in their order.
    init?(stored numbers: [Int64]) {
        guard numbers.count == 9 else { return nil }
        self.init()
        peakMemoryBytes = Int(numbers[0])
        wall = .microseconds(numbers[1])
        userCPU = .microseconds(numbers[2])
        systemCPU = .microseconds(numbers[3])
        waited = .microseconds(numbers[4])
        apiCalls = Int(numbers[5])
        bytesIn = Int(numbers[6])
        bytesOut = Int(numbers[7])
        logBytes = Int(numbers[8])
    }
}
