import Core
import Glibc

/// What the kernel says of a process, as opposed to what somebody else says of it.
struct ProcessFacts {
    var parent: pid_t
    /// The real user.
    var uid: UInt32
    /// Whether a signal or a tracer has stopped it.
    var isStopped: Bool

    /// Nil where there is no such process.
    init?(of pid: pid_t) {
        let file = Descriptor(open("/proc/\(pid)/status", O_RDONLY | O_CLOEXEC))
        guard file.isOpen else { return nil }
        let text = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            // What is wanted stands in the first lines.
            let count = read(file.number, buffer.baseAddress, buffer.count)
            return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        }
        func field(_ name: String) -> Substring? {
            text.split(separator: "\n").first { $0.hasPrefix("\(name):\t") }?.dropFirst(name.utf8.count + 2)
        }
        guard let parent = field("PPid").flatMap({ pid_t($0) }),
            let uid = field("Uid")?.split(separator: "\t").first.flatMap({ UInt32($0) }), let state = field("State")
        else { return nil }
        self.parent = parent
        self.uid = uid
        isStopped = state.first == "T" || state.first == "t"
    }
}
