import CoreMetrics
import Synchronization

/// What the rooms record through swift-metrics, kept in memory and shown in Prometheus' text form (version 0.0.4).
///
/// Labels of instruments are Prometheus names as they stand (`scriptorium_jobs_accepted_total`); a timer counts in seconds.
public final class PrometheusRegistry: MetricsFactory {
    private struct Key: Hashable {
        let name: String
        let labels: String
    }

    private let instruments = Mutex<[Key: any Instrument]>([:])
    private let help: [String: String]

    /// - Parameter help: what each name means, in a sentence.
    public init(help: [String: String]) { self.help = help }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        instrument(label, dimensions) { TotalInstrument() }
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        instrument(label, dimensions) { TotalInstrument() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        instrument(label, dimensions) { LevelInstrument() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return instrument(label, dimensions) { LevelInstrument() } }
        return instrument(label, dimensions) { HistogramInstrument(bounds: HistogramInstrument.sizes) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        instrument(label, dimensions) { HistogramInstrument(bounds: HistogramInstrument.seconds) }
    }

    /// Instruments live as long as the process: the names and labels are few.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// The instrument of this name and these labels; one of another kind under the same name is not shown.
    private func instrument<I: Instrument>(
        _ name: String, _ labels: [(String, String)], _ make: () -> I
    ) -> I {
        let key = Key(name: name, labels: Self.text(of: labels))
        return instruments.withLock { instruments in
            if let known = instruments[key] as? I { return known }
            let made = make()
            if instruments[key] == nil { instruments[key] = made }
            return made
        }
    }

    private static func text(of labels: [(String, String)]) -> String {
        labels.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "\(name)=\"\(escaped)\""
        }.joined(separator: ",")
    }

    /// Everything that was recorded so far.
    public func text() -> String {
        let all = instruments.withLock { $0 }.sorted {
            ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels)
        }
        var lines: [String] = []
        var last = ""
        for (key, instrument) in all {
            if key.name != last {
                if let help = help[key.name] { lines.append("# HELP \(key.name) \(help)") }
                lines.append("# TYPE \(key.name) \(instrument.kind)")
                last = key.name
            }
            instrument.write(key.name, key.labels, into: &lines)
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
