import Core
import Glibc

/// What the kernel says of a process, as opposed to what somebody else says of it.
struct ProcessFacts {
    var parent: pid_t
    /// The real user.
    var uid: UInt32
    private let text: String

    /// What it holds of memory that is not a file's, in bytes.
    var memoryBytes: Int { (kilobytes("RssAnon") + kilobytes("RssShmem")) << 10 }
    /// The most that it held at once since its start, or since ``forgetPeak(of:)``.
    var peakMemoryBytes: Int { kilobytes("VmHWM") << 10 }

    /// The process that a pidfd stands for, as this program numbers it; nil where it has ended.
    static func number(of pidfd: Descriptor) -> pid_t? {
        text(of: "/proc/self/fdinfo/\(pidfd.number)").flatMap { field("Pid", in: $0) }.flatMap { pid_t($0) }
    }

    /// Whether a signal or a tracer has stopped a process.
    static func isStopped(_ pid: pid_t) -> Bool {
        guard let text = text(of: "/proc/\(pid)/stat", most: 256), let name = text.lastIndex(of: ")") else {
            return false
        }
        let state = text[name...].dropFirst(2).first
        return state == "T" || state == "t"
    }

    /// What a process has in memory; nil where it is gone.
    static func residentBytes(of pid: pid_t) -> Int? {
        let pages = text(of: "/proc/\(pid)/statm")?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return pages.map { $0 * sysconf(Int32(_SC_PAGESIZE)) }
    }

    /// Nil where there is no such process.
    init?(of pid: pid_t) {
        // What is wanted stands in the first lines.
        guard let text = Self.text(of: "/proc/\(pid)/status"),
            let parent = Self.field("PPid", in: text).flatMap({ pid_t($0) }),
            let uid = Self.field("Uid", in: text)?.split(separator: "\t").first.flatMap({ UInt32($0) })
        else { return nil }
        self.text = text
        self.parent = parent
        self.uid = uid
    }

    /// Lets a process's peak begin anew. Where the system refuses, it is that of all its life.
    static func forgetPeak(of pid: pid_t) {
        let file = Descriptor(open("/proc/\(pid)/clear_refs", O_WRONLY | O_CLOEXEC))
        if file.isOpen { _ = write(file.number, "5", 1) }
    }

    private func kilobytes(_ name: String) -> Int {
        Self.field(name, in: text)?.split(separator: " ").first.flatMap { Int($0) } ?? 0
    }

    /// The first bytes of a file, `most` of them; nil where it can not be read.
    static func text(of path: String, most: Int = 4096) -> String? {
        let file = Descriptor(open(path, O_RDONLY | O_CLOEXEC))
        guard file.isOpen else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: most, alignment: 1) { buffer in
            let count = read(file.number, buffer.baseAddress, buffer.count)
            return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
        }
    }

    /// The names in a directory, `most` of them; none where it can not be read.
    static func names(in path: String, most: Int = .max) -> [String] {
        guard let entries = opendir(path) else { return [] }
        defer { closedir(entries) }
        var names: [String] = []
        while names.count < most, let entry = readdir(entries) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }

    /// What follows `name:` and a tab in a line.
    static func field(_ name: String, in text: String) -> Substring? {
        text.split(separator: "\n").first { $0.hasPrefix("\(name):\t") }?.dropFirst(name.utf8.count + 2)
    }
}
