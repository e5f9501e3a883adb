import FoundationEssentials
import Glibc

/// The memory of processes, as `/proc` tells it.
struct ProcessMemory: Sendable {
    /// Of all processes with one name.
    struct Group: Sendable {
        let name: String
        var processes = 0
        var bytes = 0
    }

    /// In the order of their size.
    private(set) var groups: [Group] = []
    /// Whether memory that processes share is counted once and divided among them (PSS). Where that may not be read of all,
    /// each process counts all that it sees (RSS).
    private(set) var isProportional = true

    var total: Int { groups.reduce(0) { $0 + $1.bytes } }

    /// That of a process and of all that it has started.
    init(of root: pid_t) {
        let family = Self.family(of: root)
        var sizes = family.map { Self.kilobytes("Pss", "/proc/\($0.pid)/smaps_rollup") }
        // Who has ended meanwhile has no memory; who can not be looked into is there.
        if zip(family, sizes).contains(where: { $1 == nil && access("/proc/\($0.pid)", F_OK) == 0 }) {
            isProportional = false
            sizes = family.map { Self.kilobytes("VmRSS", "/proc/\($0.pid)/status") }
        }
        for (process, size) in zip(family, sizes) {
            guard let size else { continue }
            var index = groups.firstIndex { $0.name == process.name } ?? groups.count
            if index == groups.count { groups.append(Group(name: process.name)) }
            index = min(index, groups.count - 1)
            groups[index].processes += 1
            groups[index].bytes += size << 10
        }
        groups.sort { $0.bytes > $1.bytes }
    }

    /// The resident memory of one process; nil where it is gone.
    static func resident(_ pid: pid_t) -> Int? { kilobytes("VmRSS", "/proc/\(pid)/status").map { $0 << 10 } }

    private static func kilobytes(_ key: String, _ file: String) -> Int? {
        guard let data = FileManager.default.contents(atPath: file) else { return nil }
        let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(key + ":") }
        return line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
    }

    private static func family(of root: pid_t) -> [(pid: pid_t, name: String)] {
        var parents: [(pid: pid_t, parent: pid_t, name: String)] = []
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = pid_t(entry), let data = FileManager.default.contents(atPath: "/proc/\(entry)/stat") else {
                continue
            }
            // The name, in brackets, may hold anything; behind it are the state and the parent.
            let text = String(decoding: data, as: UTF8.self)
            guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")"), open < close,
                let parent = text[close...].split(separator: " ").dropFirst(2).first.flatMap({ pid_t($0) })
            else { continue }
            parents.append((pid, parent, String(text[text.index(after: open)..<close])))
        }
        var family: [(pid: pid_t, name: String)] = []
        var open = [root]
        while let pid = open.popLast() {
            if let process = parents.first(where: { $0.pid == pid }) { family.append((pid, process.name)) }
            open += parents.filter { $0.parent == pid }.map(\.pid)
        }
        return family
    }
}
