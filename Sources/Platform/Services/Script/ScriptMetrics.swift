import Core
import Metrics

/// What this process counts of scripts, those that other scripts call included.
enum ScriptMetrics {
    private struct Handles {
        let run: Timer
        let wait: Timer
        let userCPU: FloatingPointCounter
        let systemCPU: FloatingPointCounter
        let calls: Counter
        let bytesIn: Counter
        let bytesOut: Counter
        let logBytes: Counter

        init(_ language: ScriptLanguage) {
            let labels = [("language", language.rawValue)]
            func counter(_ name: String, _ more: (String, String)...) -> Counter {
                Counter(label: name, dimensions: labels + more)
            }
            run = Timer(label: "scriptorium_script_run_seconds", dimensions: labels)
            wait = Timer(label: "scriptorium_script_wait_seconds", dimensions: labels)
            let cpu = "scriptorium_script_cpu_seconds_total"
            userCPU = FloatingPointCounter(label: cpu, dimensions: labels + [("mode", "user")])
            systemCPU = FloatingPointCounter(label: cpu, dimensions: labels + [("mode", "system")])
            calls = counter("scriptorium_script_api_calls_total")
            bytesIn = counter("scriptorium_script_bytes_total", ("direction", "in"))
            bytesOut = counter("scriptorium_script_bytes_total", ("direction", "out"))
            logBytes = counter("scriptorium_script_log_bytes_total")
        }
    }

    private static let handles = Dictionary(
        uniqueKeysWithValues: ScriptLanguage.allCases.map { ($0, Handles($0)) })

    /// - Parameter run: from asking for a process to the script's end.
    static func ran(_ language: ScriptLanguage, run: Duration, _ usage: AttemptUsage) {
        guard let handles = handles[language] else { return }
        handles.run.record(duration: run)
        handles.wait.record(duration: usage.waited)
        handles.userCPU.increment(by: usage.userCPU.seconds)
        handles.systemCPU.increment(by: usage.systemCPU.seconds)
        handles.calls.increment(by: usage.apiCalls)
        handles.bytesIn.increment(by: usage.bytesIn)
        handles.bytesOut.increment(by: usage.bytesOut)
        handles.logBytes.increment(by: usage.logBytes)
    }
}
