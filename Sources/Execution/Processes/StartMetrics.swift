import Core
import Metrics

/// How often this process has started interpreters.
enum StartMetrics {
    static func started(_ language: ScriptLanguage, _ kind: String) {
        Counter(
            label: "scriptorium_interpreter_starts_total",
            dimensions: [("language", language.rawValue), ("kind", kind)]
        ).increment()
    }
}
