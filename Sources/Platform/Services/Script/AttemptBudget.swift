import Core
import Outbound
import Synchronization

/// What one attempt may use, its own script and those that it calls taken together.
final class AttemptBudget: Sendable {
    private struct Left {
        var calls: Int
        var cpu: Duration
        var logBytes: Int
        var isCut = false
        var number = 0
        var outsideCalls = AttemptBudget.mostOutsideCalls
        var refusals = AttemptBudget.mostRefusals
        /// The limits that have fired.
        var fired: Set<String> = []
    }

    /// The calls of scripts that were made.
    let children = ChildJobs()
    /// How many calls that leave the installation may be under way at once.
    static let mostOutsideCalls = 64
    /// How many refused calls the log names.
    private static let mostRefusals = 1000
    /// What the answers from outside may hold together while they arrive.
    let outsideBytes: ByteAllowance

    private let left: Mutex<Left>

    init(_ limits: AttemptLimits) {
        outsideBytes = ByteAllowance(limits.responseBytes * 2)
        left = Mutex(Left(calls: limits.apiCalls, cpu: limits.cpu, logBytes: limits.logBytes))
    }

    /// Whether another `platform.api` call may be made.
    func takeCall() -> Bool {
        let isLeft = left.withLock { left in
            guard left.calls > 0 else { return false }
            left.calls -= 1
            return true
        }
        if !isLeft { fired("api_calls") }
        return isLeft
    }

    /// The processor time that is left. A script's own is taken off at its end, so that calls which run at the same time
    /// have the same time before them.
    var cpu: Duration { left.withLock { $0.cpu } }

    func spend(cpu: Duration) { left.withLock { $0.cpu -= cpu } }

    /// Counts a limit that fired, once however often it does in the attempt.
    func fired(_ limit: String) {
        if left.withLock({ $0.fired.insert(limit).inserted }) { LimitMetrics.fired(limit) }
    }

    /// 1, 2, 3 …: tells what the attempt makes apart.
    func nextNumber() -> Int {
        left.withLock { left in
            left.number += 1
            return left.number
        }
    }

    /// Whether one more call may leave the installation now; ``endOutsideCall()`` ends it.
    func beginOutsideCall() -> Bool {
        left.withLock { left in
            guard left.outsideCalls > 0 else { return false }
            left.outsideCalls -= 1
            return true
        }
    }

    /// The line that names a refused call in the log, whatever else is in it; nil where there are too many of them.
    func refusal(_ text: String) -> LogLine? {
        let left = left.withLock { left in
            left.refusals -= 1
            return left.refusals
        }
        guard left >= 0 else { return nil }
        return LogLine(stream: .system, text: left > 0 ? text : "\(text) Further refusals are not named.")
    }

    func endOutsideCall() { left.withLock { $0.outsideCalls += 1 } }

    /// The line as it is kept; nil where the log is full. The first that is dropped leaves a word about it.
    func keep(_ line: LogLine) -> LogLine? {
        let (kept, isCut) = left.withLock { left -> (LogLine?, Bool) in
            guard line.stream != .system else { return (line, false) }
            left.logBytes -= line.text.utf8.count + 16
            guard left.logBytes < 0 else { return (line, false) }
            guard !left.isCut else { return (nil, false) }
            left.isCut = true
            let word = "The output of this job was cut here: log_bytes is reached."
            return (LogLine(stream: .system, text: word), true)
        }
        if isCut { fired("log_bytes") }
        return kept
    }
}
