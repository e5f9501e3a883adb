import CoreMetrics
import Synchronization

/// A thing that is counted or measured.
protocol Instrument: AnyObject, Sendable {
    /// Prometheus' word for it.
    var kind: String { get }
    /// Its samples, a line each.
    func write(_ name: String, _ labels: String, into lines: inout [String])
}

extension Instrument {
    func line(_ name: String, _ labels: String, _ value: String) -> String {
        labels.isEmpty ? "\(name) \(value)" : "\(name){\(labels)} \(value)"
    }

    func shown(_ value: Double) -> String { Int64(exactly: value).map(String.init) ?? value.description }
}

/// What only grows.
final class TotalInstrument: Instrument, CounterHandler, FloatingPointCounterHandler {
    private let total = Mutex(0.0)
    var kind: String { "counter" }

    func increment(by amount: Int64) { increment(by: Double(amount)) }
    func increment(by amount: Double) { total.withLock { $0 += max(0, amount) } }
    func reset() { total.withLock { $0 = 0 } }

    func write(_ name: String, _ labels: String, into lines: inout [String]) {
        lines.append(line(name, labels, shown(total.withLock { $0 })))
    }
}

/// What goes up and down.
final class LevelInstrument: Instrument, MeterHandler, RecorderHandler {
    private let level = Mutex(0.0)
    var kind: String { "gauge" }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { level.withLock { $0 = value } }
    func increment(by amount: Double) { level.withLock { $0 += amount } }
    func decrement(by amount: Double) { level.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }

    func write(_ name: String, _ labels: String, into lines: inout [String]) {
        lines.append(line(name, labels, shown(level.withLock { $0 })))
    }
}

/// How often values fall where.
final class HistogramInstrument: Instrument, TimerHandler, RecorderHandler {
    private struct Counts {
        var buckets: [Int]
        var sum = 0.0
    }

    static let seconds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600,
    ]
    static let sizes: [Double] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

    /// The upper ends, ascending; one bucket more has no end.
    private let bounds: [Double]
    private let counts: Mutex<Counts>
    var kind: String { "histogram" }

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = Mutex(Counts(buckets: Array(repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        counts.withLock { counts in
            counts.buckets[index] += 1
            counts.sum += value
        }
    }

    func write(_ name: String, _ labels: String, into lines: inout [String]) {
        let counts = counts.withLock { $0 }
        let prefix = labels.isEmpty ? "" : labels + ","
        var total = 0
        for (bound, count) in zip(bounds.map(shown) + ["+Inf"], counts.buckets) {
            total += count
            lines.append(line(name + "_bucket", prefix + "le=\"\(bound)\"", String(total)))
        }
        lines.append(line(name + "_sum", labels, shown(counts.sum)))
        lines.append(line(name + "_count", labels, String(total)))
    }
}
