import Core

extension AttemptUsage {
    /// As a job shows it.
    var json: JSONText {
        .object([
            ("wall_ms", .integer(wall.milliseconds)),
            ("user_cpu_ms", .integer(userCPU.milliseconds)),
            ("system_cpu_ms", .integer(systemCPU.milliseconds)),
            ("peak_memory_bytes", .integer(peakMemoryBytes)),
            ("api_calls", .integer(apiCalls)),
            ("bytes_in", .integer(bytesIn)),
            ("bytes_out", .integer(bytesOut)),
            ("log_bytes", .integer(logBytes)),
            ("waited_ms", .integer(waited.milliseconds)),
        ])
    }
}
