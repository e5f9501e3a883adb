import Core
import Synchronization

/// What one attempt may use, its own script and those that it calls taken together.
final class AttemptBudget: Sendable {
    private struct Left {
        var calls: Int
        var logBytes: Int
        var isCut = false
        var number = 0
    }

    private let left: Mutex<Left>

    init(_ limits: AttemptLimits) {
        left = Mutex(Left(calls: limits.apiCalls, logBytes: limits.logBytes))
    }

    /// Whether another `platform.api` call may be made.
    func takeCall() -> Bool {
        left.withLock { left in
            guard left.calls > 0 else { return false }
            left.calls -= 1
            return true
        }
    }

    /// 1, 2, 3 …: tells what the attempt makes apart.
    func nextNumber() -> Int {
        left.withLock { left in
            left.number += 1
            return left.number
        }
    }

    /// The line as it is kept; nil where the log is full. The first that is dropped leaves a word about it.
    func keep(_ line: LogLine) -> LogLine? {
        left.withLock { left in
            guard line.stream != .system else { return line }
            left.logBytes -= line.text.utf8.count + 16
            guard left.logBytes < 0 else { return line }
            guard !left.isCut else { return nil }
            left.isCut = true
            return LogLine(stream: .system, text: "The output of this job was cut here: log_bytes is reached.")
        }
    }
}
