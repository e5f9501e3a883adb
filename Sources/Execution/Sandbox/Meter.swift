import CHost
import Core
import Glibc

/// Measures what a script's processes use together while they run, and tells when it is too much: the kernel limits each
/// process by itself, and the memory of all of them only where there is a control group.
@PollThread
final class Meter {
    private let initial: pid_t
    private let cgroup: Cgroups.Group?
    private let limits: AttemptLimits
    private let language: ScriptLanguage
    private let exceed: @PollThread (LimitHit) -> Void
    private var timer: Poller.Timer?
    private var cpuBefore = Duration.zero
    private var peak = 0

    /// Between two looks. A script that is faster costs none.
    private static let pause = Duration.milliseconds(40)

    /// - Parameter initial: the processes' init.
    init(
        init initial: pid_t, _ cgroup: Cgroups.Group?, _ limits: AttemptLimits, _ language: ScriptLanguage,
        exceed: @escaping @PollThread (LimitHit) -> Void
    ) {
        self.initial = initial
        self.cgroup = cgroup
        self.limits = limits
        self.language = language
        self.exceed = exceed
    }

    /// Begins to look.
    /// - Returns: what was used before, which is not the script's.
    func begin() -> Duration {
        cpuBefore = used
        lookLater()
        return cpuBefore
    }

    /// The processor time that was used until now.
    var used: Duration {
        if let time = cgroup?.cpuTime { return time.user + time.system }
        let children = ProcessTree.children(of: initial)
        return children.reduce(.zero) { $0 + .microseconds(max(0, host_cpu_microseconds($1))) }
    }

    func stop() {
        if let timer { Poller.shared.cancel(timer) }
        timer = nil
    }

    /// Completes what the init has said of the end, which knows nothing of those that were killed.
    func finish(_ exit: inout Exit) {
        stop()
        exit.peakMemoryBytes = max(exit.peakMemoryBytes, peak)
        guard let cgroup else {
            // What crashes may have been refused memory, and have been faster than our looks.
            if exit.limit == nil, exit.signal != nil, exit.peakMemoryBytes > mostMemory { exit.limit = "memory_bytes" }
            return
        }
        if let time = cgroup.cpuTime { (exit.userCPU, exit.systemCPU) = time }
        exit.peakMemoryBytes = cgroup.peakBytes ?? exit.peakMemoryBytes
        if let key = cgroup.limitReached { exit.limit = key }
    }

    /// What its processes may have in memory together.
    private var mostMemory: Int { limits.memoryBytes + limits.tmpBytes + language.ownMemory }

    private func lookLater() {
        timer = Poller.shared.after(Self.pause) { [weak self] in self?.look() }
    }

    private func look() {
        var usage = ProcessTree(beneath: initial, withMemory: cgroup == nil)
        if cgroup == nil, usage.memoryBytes > mostMemory, usage.tasks > 1 {
            usage.memoryBytes = ProcessTree.sharedMemoryBytes(beneath: initial) ?? usage.memoryBytes
        }
        let cpu = cgroup?.cpuTime.map { $0.user + $0.system } ?? usage.cpu
        peak = max(peak, usage.memoryBytes)
        if let key = cgroup?.limitReached {
            // The kernel has ended one of its processes, or refused one; the others may wait for it for ever.
            exceed(limits.hit(key))
        } else if cpu - cpuBefore > limits.cpu {
            exceed(limits.hit("cpu_seconds"))
        } else if cgroup == nil, usage.memoryBytes > mostMemory {
            exceed(limits.hit("memory_bytes"))
        } else if usage.tasks > limits.processes + language.ownProcesses {
            exceed(limits.hit("max_processes"))
        } else {
            lookLater()
        }
    }
}

extension AttemptLimits {
    /// A limit with its value as people read it.
    func hit(_ key: String) -> LimitHit {
        let value =
            switch key {
            case "cpu_seconds": cpu.inSeconds
            case "memory_bytes": memoryBytes.inBytes
            case "max_processes": "\(processes)"
            case "tmp_bytes": tmpBytes.inBytes
            case "response_bytes": responseBytes.inBytes
            case "log_bytes": logBytes.inBytes
            default: wall.inSeconds
            }
        return LimitHit(key: key, value: value)
    }
}

extension ScriptLanguage {
    /// What the interpreter itself has in memory, of which a script's limit says nothing.
    var ownMemory: Int { isParked ? 96 << 20 : 32 << 20 }

    /// What the interpreter takes from the kernel without using it.
    var reservedMemory: Int { isParked ? 1 << 30 : 64 << 20 }

    /// The threads that the interpreter has for itself.
    var ownProcesses: Int { isParked ? 12 : 1 }
}
