import CoreMetrics
import Telemetry
import Testing

/// The text form of what was recorded (Prometheus exposition format 0.0.4).
@Suite struct PrometheusTests {
    private let registry = PrometheusRegistry(help: ["jobs_total": "Jobs.", "run_seconds": "Runs."])

    @Test func totalsAndLevelsAreShownByNameAndLabels() {
        registry.makeCounter(label: "jobs_total", dimensions: [("status", "failed")]).increment(by: 2)
        registry.makeCounter(label: "jobs_total", dimensions: [("status", "failed")]).increment(by: 3)
        registry.makeCounter(label: "jobs_total", dimensions: [("status", "cancelled")]).increment(by: 1)
        registry.makeFloatingPointCounter(label: "cpu_seconds_total", dimensions: []).increment(by: 0.25)
        let level = registry.makeMeter(label: "open", dimensions: [])
        level.set(Int64(5))
        level.decrement(by: 2)
        #expect(
            registry.text() == """
                # TYPE cpu_seconds_total counter
                cpu_seconds_total 0.25
                # HELP jobs_total Jobs.
                # TYPE jobs_total counter
                jobs_total{status="cancelled"} 1
                jobs_total{status="failed"} 5
                # TYPE open gauge
                open 3

                """)
    }

    @Test func aTimersBucketsAddUp() {
        let timer = registry.makeTimer(label: "run_seconds", dimensions: [("language", "php")])
        for milliseconds in [1, 30, 30, 400_000] { timer.recordNanoseconds(Int64(milliseconds) * 1_000_000) }
        let lines = registry.text().split(separator: "\n").map(String.init)
        #expect(lines.prefix(2) == ["# HELP run_seconds Runs.", "# TYPE run_seconds histogram"])
        #expect(lines.contains(#"run_seconds_bucket{language="php",le="0.001"} 1"#))
        #expect(lines.contains(#"run_seconds_bucket{language="php",le="0.025"} 1"#))
        #expect(lines.contains(#"run_seconds_bucket{language="php",le="0.05"} 3"#))
        #expect(lines.contains(#"run_seconds_bucket{language="php",le="300"} 3"#))
        #expect(lines.contains(#"run_seconds_bucket{language="php",le="+Inf"} 4"#))
        #expect(lines.contains(#"run_seconds_count{language="php"} 4"#))
        #expect(lines.contains(#"run_seconds_sum{language="php"} 400.061"#))
    }

    @Test func labelsAreEscaped() {
        registry.makeCounter(label: "a_total", dimensions: [("x", "a\"b\\c\nd")]).increment(by: 1)
        #expect(registry.text().contains(#"a_total{x="a\"b\\c\nd"} 1"#))
    }
}
