import Core
import Metrics

/// What this process counts of scripts, those that other scripts call included.
enum ScriptMetrics {
    private struct Handles {
        let run: Timer
        let cpu: FloatingPointCounter

        init(_ language: ScriptLanguage) {
            let labels = [("language", language.rawValue)]
            run = Timer(label: "scriptorium_script_run_seconds", dimensions: labels)
            cpu = FloatingPointCounter(label: "scriptorium_script_cpu_seconds_total", dimensions: labels)
        }
    }

    private static let handles = Dictionary(
        uniqueKeysWithValues: ScriptLanguage.allCases.map { ($0, Handles($0)) })

    static func ran(_ language: ScriptLanguage, run: Duration, cpu: Duration) {
        handles[language]?.run.record(duration: run)
        handles[language]?.cpu.increment(by: cpu.seconds)
    }
}
