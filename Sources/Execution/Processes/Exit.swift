import Glibc

/// How a process ended, and what it had used.
struct Exit: Sendable, Equatable {
    /// As `wait` tells it.
    var status: Int32
    var userCPU: Duration
    var systemCPU: Duration
    var peakMemoryBytes: Int
    /// The quota that was used up when it ended, whether or not that was the reason.
    var limit: String?

    /// The quota whose end was the process's: by a signal that says so, or in any bad way, where it was used up.
    var limitThatEnded: String? {
        switch signal {
        case SIGXCPU: "cpu_seconds"
        case SIGXFSZ: "tmp_bytes"
        default: status == 0 ? nil : limit
        }
    }

    /// Whether an interpreter has given up for want of memory: V8 aborts with a sentence, PHP and
    /// Python's harness leave with a few words.
    func hasRunOutOfMemory(saying lastWords: String?) -> Bool {
        guard let lastWords else { return false }
        if signal != nil { return lastWords.hasSuffix(" out of memory") }
        return code == 1 && lastWords == "Out of memory" || code == 70 && lastWords == "out of memory"
    }

    /// The exit code; nil where a signal ended it.
    var code: Int32? { status & 0x7F == 0 ? status >> 8 & 0xFF : nil }

    /// The signal that ended it.
    var signal: Int32? { status & 0x7F == 0 ? nil : status & 0x7F }
}
