import CHost
import Glibc
import Logging
import Synchronization

/// Runs the server and starts it again when it dies. One thread starts it, waits for it and stops it: the server ends when
/// that thread does, and a process id is only used by the one that has not yet waited for it.
final class ServerSupervisor: Sendable {
    enum Stop: Sendable {
        /// Sessions are cut off, the data is written down.
        case fast
        /// At once; the next start recovers.
        case immediate
    }

    private struct State {
        var stop: Stop?
        var deaths = 0
        var process: pid_t?
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
        let wake = host_wake_open()
        deinit { close(wake) }
    }

    private let shared: Shared
    private let thread: PosixThread

    init(_ command: [String], home: ServerHome, logger: Logger) {
        let shared = Shared()
        self.shared = shared
        thread = PosixThread("postgres") {
            var backoff = Backoff(first: .milliseconds(200), limit: .seconds(5))
            while shared.state.withLock({ $0.stop == nil }) {
                let start = Moment.now
                let death = Self.runOnce(command, home: home, shared)
                guard shared.state.withLock({ $0.stop == nil }) else { break }
                logger.error("the PostgreSQL server died, it is started again", metadata: ["reason": "\(death)"])
                shared.state.withLock { $0.deaths += 1 }
                if Moment.now > start + .seconds(30) { backoff.reset() }
                let next = Moment.now + backoff.step()
                while Moment.now < next, shared.state.withLock({ $0.stop == nil }) {
                    Self.wait([shared.wake], until: next)
                    host_wake_clear(shared.wake)
                }
            }
        }
    }

    /// How often it has died without being told to.
    var deaths: Int { shared.state.withLock { $0.deaths } }

    /// The postmaster, while it runs.
    var process: pid_t? { shared.state.withLock { $0.process } }

    /// Returns when the server is gone. Cancellation does not shorten it.
    func stop(_ how: Stop) async {
        order(how)
        await thread.finished()
    }

    /// The same, blocking: for the end of the program.
    func stopBlocking(_ how: Stop) {
        order(how)
        thread.join()
    }

    private func order(_ how: Stop) {
        shared.state.withLock { state in
            if state.stop != .immediate { state.stop = how }
        }
        host_wake(shared.wake)
    }

    /// - Returns: in words, how it ended.
    private static func runOnce(_ command: [String], home: ServerHome, _ shared: Shared) -> String {
        do {
            try ServerLeftovers(cluster: home.cluster).end()
            let process = try ServerProcess(command, log: home.log)
            shared.state.withLock { $0.process = process.id }
            defer { shared.state.withLock { $0.process = nil } }
            attend(process, shared)
            return process.wait() ?? "ended with status 0"
        } catch {
            return error.message
        }
    }

    /// Waits for the end, and brings it about when that is asked for: more firmly after a while.
    private static func attend(_ process: ServerProcess, _ shared: Shared) {
        let end = host_pidfd(process.id)
        guard end >= 0 else { return }
        defer { close(end) }
        var stopping: Stop?
        var firmer: [(Moment, Int32)] = []
        while true {
            let ready = wait([end, shared.wake], until: firmer.first?.0)
            if ready.contains(end) { return }
            host_wake_clear(shared.wake)
            let stop = shared.state.withLock { $0.stop }
            if let stop, stop != stopping {
                stopping = stop
                kill(process.id, stop == .fast ? SIGINT : SIGQUIT)
                firmer = [(.now + .seconds(10), SIGQUIT), (.now + .seconds(16), SIGKILL)]
            } else if let next = firmer.first, next.0 <= .now {
                kill(process.id, next.1)
                firmer.removeFirst()
            }
        }
    }

    /// Which of the descriptors are readable; none at the deadline.
    @discardableResult
    private static func wait(_ descriptors: [Int32], until deadline: Moment?) -> [Int32] {
        var set = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let count = poll(&set, nfds_t(set.count), deadline?.milliseconds(limit: 60000) ?? -1)
        return count <= 0 ? [] : set.filter { $0.revents != 0 }.map(\.fd)
    }
}
