import Glibc

/// What the processes beneath one use together, as `/proc` tells it.
struct ProcessTree {
    /// Processes and threads.
    var tasks = 0
    /// What is nobody else's, and what is shared in memory. Pages that a zygote and its child still share count as well.
    var memoryBytes = 0
    /// Of those that live, and of those that were waited for.
    var cpu = Duration.zero

    /// A tree that is larger is cut: it is beyond every limit.
    private static let most = 8192

    init(beneath root: pid_t, withMemory: Bool) {
        var waiting = Self.children(of: root)
        var seen = 0
        while let pid = waiting.popLast(), seen < Self.most {
            seen += 1
            add(pid, withMemory: withMemory)
            waiting += Self.children(of: pid)
        }
        // The root has reaped some of them.
        cpu += Self.times(of: root, own: false)
    }

    private mutating func add(_ pid: pid_t, withMemory: Bool) {
        guard let text = ProcessFacts.text(of: "/proc/\(pid)/status") else { return }
        tasks += ProcessFacts.field("Threads", in: text).flatMap { Int($0) } ?? 1
        cpu += Self.times(of: pid, own: true)
        guard withMemory else { return }
        for name in ["RssAnon", "RssShmem"] {
            let number = ProcessFacts.field(name, in: text)?.drop { $0 == " " }.prefix { $0.isNumber }
            memoryBytes += (number.flatMap { Int($0) } ?? 0) << 10
        }
    }

    /// The memory with every page that several share counted once in all; nil where the kernel does not tell. It has to
    /// look at every page for that, so this is for when the quick sum is too much.
    static func sharedMemoryBytes(beneath root: pid_t) -> Int? {
        var waiting = children(of: root)
        var sum = 0
        var seen = 0
        while let pid = waiting.popLast(), seen < most {
            seen += 1
            waiting += children(of: pid)
            guard let text = ProcessFacts.text(of: "/proc/\(pid)/smaps_rollup") else {
                if errno == ENOENT || errno == ESRCH { continue }
                return nil
            }
            for line in text.split(separator: "\n") where line.hasPrefix("Pss_Anon:") || line.hasPrefix("Pss_Shmem:") {
                sum += (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
            }
        }
        return sum
    }

    /// The processes that `pid`'s threads have started.
    static func children(of pid: pid_t) -> [pid_t] {
        let threads = ProcessFacts.names(in: "/proc/\(pid)/task", most: most).filter { $0.first?.isNumber == true }
        return threads.flatMap { thread in
            (ProcessFacts.text(of: "/proc/\(pid)/task/\(thread)/children") ?? "").split(separator: " ").compactMap {
                pid_t($0)
            }
        }
    }

    /// The times of a process's `stat`: its own, or those of the children that it has waited for.
    private static func times(of pid: pid_t, own: Bool) -> Duration {
        guard let text = ProcessFacts.text(of: "/proc/\(pid)/stat"), let name = text.lastIndex(of: ")") else {
            return .zero
        }
        let fields = text[name...].split(separator: " ")
        // proc(5): the 14th to 17th field; the name was the second.
        let ticks = (own ? [12, 13, 14, 15] : [14, 15]).reduce(0) {
            $0 + (fields.count > $1 ? Int(fields[$1]) ?? 0 : 0)
        }
        return .milliseconds(ticks * 1000 / max(1, sysconf(Int32(_SC_CLK_TCK))))
    }
}
