import CHost
import Core
import Glibc

/// Our end of an init's control socket (see `Sources/CSandbox/init.c`): an init holds one script's process, and dies with
/// everything in it.
///
/// Who forks an init for us is believed only where the kernel agrees: nobody must be able to turn our signals against
/// somebody else.
@PollThread
final class Warden {
    enum Event {
        /// It waits for ``admit()``; this is the init's own process.
        case greeted(pid_t)
        /// It said what can not be true. It is left alone: it may be anybody.
        case forged
        /// The script's process has ended, and all that it had started.
        case ended(Exit)
        /// The init was killed, or could not make the place.
        case gone
    }

    /// What a script may use, as the init is told. A zero leaves it as it is.
    struct Limits {
        var processes = 0
        var cpuSeconds = 0
        var dataBytes = 0
        var temporaryBytes = 0
        /// The tenant whose own packages are shown; empty for none.
        var packages = ""
    }

    /// Is told of everything, and of nothing after ``Event/ended(_:)``, ``Event/gone`` or ``Event/forged``.
    var onEvent: @PollThread (Event) -> Void = { _ in }
    /// The init's process; nil before it has greeted.
    private(set) var pid: pid_t?

    private let sandbox: Sandbox
    /// Who must be the init's parent; nil while that is not known.
    private let parent: @PollThread () -> pid_t?
    private var socket: PacketSocket?
    private var pidfd: Descriptor?
    private var limited: CheckedContinuation<Bool, Never>?
    /// How long an init may take for that: no script has begun, so nothing else would end the wait.
    private static let limitTime = Duration.seconds(5)
    private var killing: Poller.Timer?
    private var isOver = false

    init(_ descriptor: Descriptor, _ sandbox: Sandbox, parent: @escaping @PollThread () -> pid_t?) {
        self.sandbox = sandbox
        self.parent = parent
        // The init's end shows here, too: nobody else has the other side.
        socket = PacketSocket(
            descriptor, onPacket: { [weak self] in self?.receive($0, $1) }, onEnd: { [weak self] in self?.end(.gone) })
    }

    /// Lets it make the place and begin the script's process, which belongs to whatever the init belongs to by now.
    func admit() {
        var go = Packet("G")
        go.append(sandbox.nextUser())
        go.append(UInt64(64 << 20))
        socket?.send(go.bytes)
    }

    /// Sets what the script may use.
    /// - Returns: false where the init could not, or is gone: then no script must run in it.
    func limit(_ limits: Limits) async -> Bool {
        guard let socket, pid != nil, limited == nil else { return false }
        var packet = Packet("L")
        packet.append(UInt64(clamping: limits.processes))
        packet.append(UInt64(clamping: limits.cpuSeconds))
        packet.append(UInt64(clamping: limits.dataBytes))
        packet.append(UInt64(clamping: limits.temporaryBytes))
        packet.append(limits.packages, size: 64)
        let timer = Poller.shared.after(Self.limitTime) { [weak self] in self?.finishLimiting(false) }
        defer { Poller.shared.cancel(timer) }
        return await withCheckedContinuation { continuation in
            limited = continuation
            socket.send(packet.bytes)
        }
    }

    private func finishLimiting(_ isDone: Bool) {
        limited?.resume(returning: isDone)
        limited = nil
    }

    /// How long an init has for ending its processes and saying what they used.
    private static let killTime = Duration.milliseconds(100)

    /// Ends the script's processes, and the init itself where it does not tell of their end soon.
    func kill() {
        guard !isOver, killing == nil else { return }
        guard let pidfd else { return abandon() }
        socket?.send(Packet("K").bytes)
        killing = Poller.shared.after(Self.killTime) { _ = host_pidfd_signal(pidfd.number, SIGKILL) }
    }

    /// Wants no more of it: an init that has nobody to speak to ends with all that it holds.
    func abandon() {
        if let pidfd { _ = host_pidfd_signal(pidfd.number, SIGKILL) }
        end(.gone)
    }

    /// Reads what has arrived and was not looked at yet.
    func readRest() { socket?.readRest() }

    private func end(_ event: Event) {
        guard !isOver else { return }
        isOver = true
        if let killing { Poller.shared.cancel(killing) }
        socket?.close()
        socket = nil
        pidfd = nil
        finishLimiting(false)
        let tell = onEvent
        onEvent = { _ in }
        tell(event)
    }

    private func receive(_ bytes: [UInt8], _ descriptors: [Descriptor]) {
        guard !isOver else { return }
        var packet = Packet(bytes)
        switch packet.kind {
        case UInt8(ascii: "H") where pid == nil:
            guard let pidfd = descriptors.first, let pid = ProcessFacts.number(of: pidfd), isOurs(pid) else {
                return end(.forged)
            }
            self.pid = pid
            self.pidfd = pidfd
            onEvent(.greeted(pid))
        case UInt8(ascii: "L"):
            finishLimiting(packet.take(UInt32.self) == 0)
        case UInt8(ascii: "X"):
            guard pid != nil, let status: UInt32 = packet.take(), let isFull: UInt32 = packet.take(),
                let user: UInt64 = packet.take(), let system: UInt64 = packet.take(), let peak: UInt64 = packet.take()
            else { return end(.forged) }
            end(
                .ended(
                    Exit(
                        status: Int32(bitPattern: status), userCPU: .microseconds(Int64(clamping: user)),
                        systemCPU: .microseconds(Int64(clamping: system)), peakMemoryBytes: Int(clamping: peak),
                        limit: isFull == 0 ? nil : "tmp_bytes")))
        default: end(.forged)
        }
    }

    /// First the descriptor, then the facts: they are those of the process that the descriptor means, or it has ended.
    private func isOurs(_ pid: pid_t) -> Bool {
        guard pid > 1, let facts = ProcessFacts(of: pid), let parent = parent() else { return false }
        return facts.parent == parent && facts.uid == sandbox.user ?? getuid()
    }
}
