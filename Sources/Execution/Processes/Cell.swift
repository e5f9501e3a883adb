import CHost
import Core
import Glibc

/// Our end of the program `cell`, which starts, reaps and ends every process of this room (see `Sources/cell/main.c`).
@PollThread
final class Cell {
    enum Event {
        case started(pid_t)
        case failed(String)
        case ended(Exit)
        /// `cell` itself is gone, and with it the process.
        case lost
    }

    /// What is to be started.
    struct Order {
        enum Kind: UInt32 {
            /// A program that runs one script, in an init's hands.
            case program
            /// A program that forks itself for each script.
            case zygote
            /// No program: an init and a process that ends at once, where they can be had.
            case probe
        }

        var kind: Kind
        /// The program's file, as it is found in the sandbox, and its arguments.
        var arguments: [String]
        var environment: [String]
        /// What of this machine is seen in the sandbox.
        var binds: [Bind]
        /// Descriptor 3 of the process, its standard output, and its standard error.
        var frames: Descriptor
        var output: Descriptor
        var error: Descriptor
        /// The control socket of its init; a zygote has none.
        var control: Descriptor
    }

    /// A file or directory of this machine, and where it is seen.
    struct Bind: Hashable {
        var source: String
        var target: String
    }

    /// Whether the program is gone.
    private(set) var hasEnded = false
    /// Rings when the program is gone.
    let bell = Bell()
    /// Whether the lease ran out since it was renewed last, which has ended every process.
    private(set) var hasLapsed = false
    /// Is told when the lease has run out.
    var onLapse: @PollThread () -> Void = {}

    let pid: pid_t
    let sandbox: Sandbox
    private let pidfd: Descriptor
    private var watch: Poller.Watch?
    private var socket: PacketSocket?
    private var handlers: [UInt32: @PollThread (Event) -> Void] = [:]
    private var bareForks: [UInt32: CheckedContinuation<Duration?, Never>] = [:]
    private var lastID: UInt32 = 0

    /// Starts the program.
    /// - Throws: ``ExecutionError`` with code `cell`, or `system`.
    init(path: String, runDirectory: String, _ sandbox: Sandbox) throws(ExecutionError) {
        self.sandbox = sandbox
        let (ours, theirs) = try Descriptor.socketPair(SOCK_SEQPACKET)
        var pid: pid_t = 0
        let error = host_spawn_cell(
            path, runDirectory, "\(sandbox.tier.rank)", sandbox.user.map { "\($0)" } ?? "-",
            sandbox.cgroups?.paths ?? "",
            theirs.number, &pid)
        guard error == 0 else { throw ExecutionError(.cell, "can not start \(path)", errno: error) }
        theirs.close()
        self.pid = pid
        pidfd = Descriptor(host_pidfd(pid))
        guard pidfd.isOpen else { throw ExecutionError(.system, "can not watch a process", errno: errno) }
        watch = Poller.shared.watch(pidfd, for: .readable) { [weak self] _ in self?.reap() }
        socket = PacketSocket(
            ours, onPacket: { [weak self] bytes, _ in self?.receive(bytes) },
            // Its end shows on the pidfd as well.
            onEnd: {})
        sandbox.reason = { [weak self] in self?.reason }
    }

    /// What has happened to all its processes; its word may still be on its way here.
    private var reason: String? {
        socket?.readRest()
        if hasLapsed { return "the worker's lease ran out" }
        var ended = siginfo_t()
        let isGone =
            hasEnded || waitid(P_PID, id_t(pid), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_signo != 0
        return isGone ? "cell has ended" : nil
    }

    /// Orders a process. `handler` is told of its start and its end, never before this call returns.
    /// - Returns: the number by which it can be killed.
    func start(_ order: Order, _ handler: @escaping @PollThread (Event) -> Void) -> UInt32 {
        lastID += 1
        let id = lastID
        handlers[id] = handler
        guard let socket, !hasEnded else {
            Poller.shared.after(.zero) { [weak self] in self?.handlers.removeValue(forKey: id)?(.lost) }
            return id
        }
        var packet = Packet("S")
        packet.append(id)
        packet.append(order.kind.rawValue)
        packet.append(UInt32(order.arguments.count))
        packet.append(UInt32(order.environment.count))
        packet.append(UInt32(order.binds.count))
        for text in order.arguments + order.environment { packet.append(text) }
        for bind in order.binds {
            packet.append(bind.source)
            packet.append(bind.target)
        }
        socket.send(packet.bytes, with: [order.frames, order.output, order.error, order.control])
        return id
    }

    /// Forks a process that does nothing but answer through a pipe, for a benchmark, and tells how long it took; nil where
    /// it failed.
    func forkBare() async -> Duration? {
        guard let socket, !hasEnded else { return nil }
        lastID += 1
        var packet = Packet("B")
        packet.append(lastID)
        let id = lastID
        return await withCheckedContinuation {
            bareForks[id] = $0
            socket.send(packet.bytes)
        }
    }

    /// Kills a process, and with it all that it has started.
    func kill(_ id: UInt32) {
        var packet = Packet("K")
        packet.append(id)
        socket?.send(packet.bytes)
    }

    /// Every process is killed unless this is called again within `time`, whatever becomes of this program meanwhile.
    func renewLease(for time: Duration) {
        hasLapsed = false
        var packet = Packet("L")
        packet.append(UInt32(0))
        let (seconds, attoseconds) = max(.zero, time).components
        packet.append(UInt32(clamping: min(seconds, 1 << 20) * 1000 + attoseconds / 1_000_000_000_000_000))
        socket?.send(packet.bytes)
    }

    /// Ends the program, which ends all that it has started and removes the run directory. Returns when it is gone.
    func close() async {
        socket?.close()
        socket = nil
        // It gives itself ten seconds. Our task may be cancelled already; this must be waited for all the same.
        let timer = Poller.shared.after(.seconds(15)) { [pid] in _ = Glibc.kill(pid, SIGKILL) }
        await withCheckedContinuation { continuation in
            if hasEnded { continuation.resume() } else { onReaped = { continuation.resume() } }
        }
        Poller.shared.cancel(timer)
    }

    private var onReaped: (@PollThread () -> Void)?

    private func reap() {
        var status: Int32 = 0
        guard let watch, waitpid(pid, &status, WNOHANG) != 0 else { return }
        Poller.shared.end(watch)
        self.watch = nil
        pidfd.close()
        socket?.close()
        socket = nil
        hasEnded = true
        let lost = handlers.values
        handlers = [:]
        for handler in lost { handler(.lost) }
        for waiter in bareForks.values { waiter.resume(returning: nil) }
        bareForks = [:]
        bell.ring()
        onReaped?()
        onReaped = nil
    }

    private func receive(_ bytes: [UInt8]) {
        var packet = Packet(bytes)
        guard let kind = packet.kind, let id: UInt32 = packet.take(), let word: UInt32 = packet.take() else { return }
        switch kind {
        case UInt8(ascii: "P"): handlers[id]?(.started(pid_t(bitPattern: word)))
        case UInt8(ascii: "F"):
            let why = String(cString: strerror(Int32(bitPattern: word)))
            handlers.removeValue(forKey: id)?(.failed("a process can not be started: \(why)"))
        case UInt8(ascii: "X"):
            guard let user: UInt64 = packet.take(), let system: UInt64 = packet.take(), let peak: UInt64 = packet.take()
            else { return }
            let exit = Exit(
                status: Int32(bitPattern: word), userCPU: .microseconds(Int64(clamping: user)),
                systemCPU: .microseconds(Int64(clamping: system)),
                peakMemoryBytes: Int(clamping: peak) << 10)
            handlers.removeValue(forKey: id)?(.ended(exit))
        case UInt8(ascii: "B"):
            bareForks.removeValue(forKey: id)?.resume(returning: word == 0 ? nil : .microseconds(Int64(word)))
        case UInt8(ascii: "L"):
            hasLapsed = true
            onLapse()
        default: break
        }
    }
}
