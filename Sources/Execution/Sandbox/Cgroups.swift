import Core
import Dispatch
import Glibc

/// Control groups: the memory, the CPU time and the number of a script's processes together. Version 2 where the controllers are there,
/// else version 1 (Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of Linux).
@PollThread
final class Cgroups {
    /// One script's group. It serves one after the other: what the kernel keeps of a group that was removed slows all down.
    @PollThread
    final class Group {
        private let owner: Cgroups
        fileprivate let places: Places
        /// What the kernel's counters, which can not be set back, showed when this script's process came.
        private var kills = 0
        private var refusals = 0
        private var userBefore = Duration.zero
        private var systemBefore = Duration.zero

        fileprivate init(_ places: Places, _ owner: Cgroups) {
            self.places = places
            self.owner = owner
        }

        /// Whether it limits the number of its processes.
        var countsProcesses: Bool { places.pids != nil }

        private var killsNow: Int {
            let events = places.version == 2 ? "memory.events" : "memory.oom_control"
            return Cgroups.number("oom_kill", in: "\(places.memory)/\(events)") ?? 0
        }

        private var refusalsNow: Int { places.pids.flatMap { Cgroups.number("max", in: "\($0)/pids.events") } ?? 0 }

        /// The quota that its processes have used up, so that the kernel ended one, or refused another.
        var limitReached: String? {
            if killsNow > kills { return "memory_bytes" }
            return refusalsNow > refusals ? "max_processes" : nil
        }

        var peakBytes: Int? {
            Cgroups.number(
                of: "\(places.memory)/\(places.version == 2 ? "memory.peak" : "memory.max_usage_in_bytes")")
        }

        /// Lets the peak begin anew. Where the kernel can not, it is that of the group's whole life.
        func forgetPeak() {
            if places.version == 1 { Cgroups.write("0", to: "\(places.memory)/memory.max_usage_in_bytes") }
        }

        /// User and system time; nil where it can not be read.
        var cpuTime: (user: Duration, system: Duration)? {
            guard let (user, system) = cpuTimeNow else { return nil }
            return (user - userBefore, system - systemBefore)
        }

        private var cpuTimeNow: (Duration, Duration)? {
            if places.version == 2 {
                guard let user = Cgroups.number("user_usec", in: "\(places.cpu)/cpu.stat"),
                    let system = Cgroups.number("system_usec", in: "\(places.cpu)/cpu.stat")
                else { return nil }
                return (.microseconds(user), .microseconds(system))
            }
            guard let user = Cgroups.number(of: "\(places.cpu)/cpuacct.usage_user"),
                let system = Cgroups.number(of: "\(places.cpu)/cpuacct.usage_sys")
            else { return nil }
            return (.nanoseconds(user), .nanoseconds(system))
        }

        /// Sets how much memory its processes may have together, files in memory included, and how many they may be.
        func limit(memory bytes: Int, processes: Int) {
            set(memory: "\(bytes)", processes: "\(processes)")
        }

        private func set(memory bytes: String, processes: String) {
            if let pids = places.pids { Cgroups.write(processes, to: "\(pids)/pids.max") }
            if places.version == 2 {
                Cgroups.write(bytes, to: "\(places.memory)/memory.max")
                Cgroups.write("0", to: "\(places.memory)/memory.swap.max")
            } else {
                // The limit with swap is never below that without: which of them goes first depends on the way.
                let files = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
                for file in bytes == "-1" ? files.reversed() : files {
                    Cgroups.write(bytes, to: "\(places.memory)/\(file)")
                }
            }
        }

        /// Lets it go once its last process has gone.
        func leave() { leave(looks: 100) }

        private func leave(looks: Int) {
            let isEmpty = places.all.allSatisfy { ProcessFacts.text(of: "\($0)/cgroup.procs")?.isEmpty != false }
            if isEmpty { return owner.takeBack(self) }
            if looks > 0 { Poller.shared.after(.milliseconds(10)) { self.leave(looks: looks - 1) } }
        }

        /// Makes it as new; false where it can not be.
        fileprivate func renew() -> Bool {
            // Files of before may still be on their way out, and would be charged to the next.
            guard places.version == 1, let left = Cgroups.number(of: "\(places.memory)/memory.usage_in_bytes"),
                left < 1 << 20
            else { return false }
            set(memory: "-1", processes: "max")
            forgetPeak()
            guard let (user, system) = cpuTimeNow else { return false }
            (userBefore, systemBefore) = (user, system)
            (kills, refusals) = (killsNow, refusalsNow)
            return true
        }

        fileprivate func remove() {
            Cgroups.queue.async { [places] in
                for path in places.all { rmdir(path) }
            }
        }
    }

    /// The directories of a group in each hierarchy, which are one in version 2. The number of processes can be limited
    /// otherwise, so that a machine without that controller is no worse.
    fileprivate struct Places: Sendable {
        var memory: String
        var cpu: String
        var pids: String?
        var version: Int

        var all: Set<String> { Set([memory, cpu, pids ?? memory]) }

        func child(_ name: String) -> Places {
            Places(
                memory: "\(memory)/\(name)", cpu: "\(cpu)/\(name)", pids: pids.map { "\($0)/\(name)" }, version: version
            )
        }
    }

    private let places: Places
    private var lastNumber = 0

    /// Nil where this program may not make groups.
    init?() {
        guard let found = Self.find() else { return nil }
        places = found
    }

    /// Empty groups.
    private var free: [Group] = []
    private static let mostFree = 64

    /// The directories that hold the groups, with a colon between.
    var paths: String { places.all.sorted().joined(separator: ":") }

    /// Making and removing groups and moving processes holds up whoever does it, for as long as all cores need to notice:
    /// 5 to 15 ms here.
    private nonisolated static let queue = DispatchQueue(label: "scriptorium.groups")

    /// A group with the process, and with all that it will start; nil where that fails.
    func makeGroup(_ pid: pid_t) async -> Group? {
        let used = free.popLast()
        lastNumber += 1
        let group = used ?? Group(places.child("\(lastNumber)"), self)
        let isMade = await withCheckedContinuation { continuation in
            Self.queue.async { [places = group.places, isNew = used == nil] in
                let isThere = !isNew || places.all.allSatisfy { mkdir($0, 0o755) == 0 }
                continuation.resume(
                    returning: isThere && places.all.allSatisfy { Self.write("\(pid)", to: "\($0)/cgroup.procs") })
            }
        }
        guard isMade else {
            group.leave()
            return nil
        }
        return group
    }

    fileprivate func takeBack(_ group: Group) {
        if free.count < Self.mostFree, group.renew() { free.append(group) } else { group.remove() }
    }

    /// Removes what is left; the groups' processes must have ended.
    func close() async {
        free = []
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "scriptorium.groups.end").async { [places] in
                // The kernel takes its time for the last of them.
                for _ in 0..<100 where !Self.removeAll(places) { usleep(20_000) }
                continuation.resume()
            }
        }
    }

    /// Whether nothing is left.
    private nonisolated static func removeAll(_ places: Places) -> Bool {
        var isDone = true
        for path in places.all {
            for number in ProcessFacts.names(in: path) where Int(number) != nil { rmdir("\(path)/\(number)") }
            if rmdir(path) != 0, errno == EBUSY { isDone = false }
        }
        return isDone
    }

    /// The directories in which groups can be made, made anew.
    private static func find() -> Places? {
        let name = "scriptorium-\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
        let own = ownPaths()
        let mounts = mountPoints()
        func make(_ controller: String) -> String? {
            guard let mount = mounts[controller], let place = own[controller] else { return nil }
            let path = "\(mount)\(place == "/" ? "" : place)/\(name)"
            // Controllers may share a hierarchy.
            return mkdir(path, 0o755) == 0 || errno == EEXIST ? path : nil
        }
        if let memory = make("memory") {
            if let cpu = make("cpuacct") { return Places(memory: memory, cpu: cpu, pids: make("pids"), version: 1) }
            rmdir(memory)
        }
        guard let mount = mounts[""], let place = own[""] else { return nil }
        let parent = "\(mount)\(place == "/" ? "" : place)"
        let available = controllers(of: parent, "cgroup.controllers")
        // A group with processes of its own can not have others with limits: who delegates a group to us, as a unit with
        // Delegate=yes does, gets us in a group beneath it.
        guard available.isSuperset(of: ["cpu", "memory"]) else { return nil }
        let wanted = available.intersection(["cpu", "memory", "pids"])
        let word = wanted.map { "+\($0)" }.joined(separator: " ")
        let path = "\(parent)/\(name)"
        if !controllers(of: parent, "cgroup.subtree_control").isSuperset(of: wanted) {
            let leaf = "\(parent)/scriptorium-program"
            guard mkdir(leaf, 0o755) == 0 || errno == EEXIST, write("\(getpid())", to: "\(leaf)/cgroup.procs"),
                write(word, to: "\(parent)/cgroup.subtree_control")
            else { return nil }
        }
        guard mkdir(path, 0o755) == 0 else { return nil }
        guard write(word, to: "\(path)/cgroup.subtree_control") else {
            rmdir(path)
            return nil
        }
        return Places(memory: path, cpu: path, pids: wanted.contains("pids") ? path : nil, version: 2)
    }

    private static func controllers(of group: String, _ file: String) -> Set<Substring> {
        Set((ProcessFacts.text(of: "\(group)/\(file)") ?? "").split { $0 == " " || $0 == "\n" })
    }

    /// Our own group in each hierarchy, by controller; the empty name stands for version 2.
    private static func ownPaths() -> [String: String] {
        var paths: [String: String] = [:]
        for line in (ProcessFacts.text(of: "/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            for name in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
                paths[String(name)] = String(parts[2])
            }
        }
        return paths
    }

    private static func mountPoints() -> [String: String] {
        var points: [String: String] = [:]
        for line in (ProcessFacts.text(of: "/proc/self/mounts", most: 1 << 18) ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 3 else { continue }
            if words[2] == "cgroup2" { points[""] = points[""] ?? String(words[1]) }
            guard words[2] == "cgroup" else { continue }
            for option in words[3].split(separator: ",") { points[String(option)] = String(words[1]) }
        }
        return points
    }

    @discardableResult
    private nonisolated static func write(_ text: String, to path: String) -> Bool {
        let file = Descriptor(open(path, O_WRONLY | O_CLOEXEC))
        return file.isOpen && Glibc.write(file.number, text, text.utf8.count) == text.utf8.count
    }

    private static func number(of path: String) -> Int? {
        ProcessFacts.text(of: path).flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// The number that stands behind `name` in a line.
    private static func number(_ name: String, in path: String) -> Int? {
        for line in (ProcessFacts.text(of: path) ?? "").split(separator: "\n") where line.hasPrefix("\(name) ") {
            return Int(line.dropFirst(name.utf8.count + 1))
        }
        return nil
    }
}
