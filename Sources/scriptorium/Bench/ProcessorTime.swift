import CHost
import FoundationEssentials
import Glibc

/// Reads the processor time of a process and of all that it has started, as `/proc` tells it.
struct ProcessorTime {
    private let root: pid_t
    /// What the looking itself has cost.
    private var own = Duration.zero

    /// - Parameter root: the process; this one by default.
    init(of root: pid_t = getpid()) { self.root = root }

    /// All that was used so far, without what these looks have cost. That of ended processes is known to a hundredth of a
    /// second.
    mutating func read() -> Duration {
        let begin = Self.ofThread
        let processes = Self.all()
        var time = Duration.zero
        var open = [root]
        while let pid = open.popLast() {
            time += .microseconds(max(0, host_cpu_microseconds(pid)))
            for process in processes where process.pid == pid { time += process.ended }
            open += processes.filter { $0.parent == pid }.map(\.pid)
        }
        let cost = Self.ofThread - begin
        defer { own += cost }
        // This process's time was read in the midst of it.
        return root == getpid() ? time - own : time
    }

    /// Waits until the processes are at rest, such as those that replace others, for two seconds at most.
    mutating func settle() async {
        var last = read()
        for _ in 0..<40 {
            try? await Task.sleep(for: .milliseconds(50))
            let now = read()
            if now - last < .milliseconds(2) { return }
            last = now
        }
    }

    /// The time of one process without its children; nil where there is none.
    static func alone(_ process: pid_t) -> Duration? {
        let time = host_cpu_microseconds(process)
        return time < 0 ? nil : .microseconds(time)
    }

    /// The process that has started this one; nil where there is none.
    static func parent(of process: pid_t) -> pid_t? { all().first { $0.pid == process }?.parent }

    private static var ofThread: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    private struct Process {
        var pid: pid_t
        var parent: pid_t
        /// The time of those that it has reaped.
        var ended: Duration
    }

    private static func all() -> [Process] {
        let tick = Duration.microseconds(1_000_000 / sysconf(Int32(_SC_CLK_TCK)))
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { name -> Process? in
            guard let pid = pid_t(name), let data = FileManager.default.contents(atPath: "/proc/\(name)/stat") else {
                return nil
            }
            // The name, in brackets, may hold anything; behind it are the state, the parent and then numbers.
            let fields = String(decoding: data, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
            guard fields.count > 14, let parent = pid_t(fields[1]), let user = Int(fields[13]),
                let system = Int(fields[14])
            else { return nil }
            return Process(pid: pid, parent: parent, ended: tick * (user + system))
        }
    }
}

/// How busy the machine is.
enum LoadAverage {
    /// The processes that ran or wanted to, on average over the last minute; nil where the system does not tell.
    static var now: Double? {
        var loads = [0.0]
        return getloadavg(&loads, 1) == 1 ? loads[0] : nil
    }
}
