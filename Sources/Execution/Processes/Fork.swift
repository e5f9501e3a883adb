import CHost
import Core
import Glibc

/// The process that a zygote forks for one job. What the zygote says of it is believed only where the kernel agrees: who
/// speaks for a zygote must not be able to turn our signals against somebody else.
@PollThread
final class Fork: ScriptProcess {
    enum State {
        /// The zygote was told to fork.
        case ordered
        /// The process is there and has its job.
        case begun
        /// The zygote has ended, or could not fork: the job never began.
        case failed
        /// Nobody waits for the job any more.
        case abandoned
    }

    private(set) var state = State.ordered
    /// Since when the zygote owes an answer, in nanoseconds of the monotonic clock; nil where it owes none.
    private(set) var owedSince: UInt64?

    /// Its working directory's name in the zygote's.
    let folder: String

    private let run: Run
    private var channels: ScriptChannels?
    /// Whether the zygote has said which process it is.
    private var isNamed = false
    private var pidfd: Descriptor?
    private let answered: AsyncStream<Void>
    private let answer: AsyncStream<Void>.Continuation

    init(_ run: Run, _ folder: String, _ channels: ScriptChannels) {
        self.run = run
        self.folder = folder
        self.channels = channels
        owedSince = PollExecutor.now
        (answered, answer) = AsyncStream.makeStream()
    }

    /// Waits until the job has begun, or will not begin here.
    /// - Returns: false where it never began and may begin elsewhere.
    func begins() async -> Bool {
        for await _ in answered {}
        guard state == .ordered || state == .abandoned else { return state == .begun }
        // The calling task is cancelled.
        abandon()
        run.cancel()
        run.lose("")
        return true
    }

    /// The zygote says that it has forked process `pid`. Only now the process gets its job.
    /// - Returns: false where that can not be.
    func hasStarted(_ pid: Int, parent: pid_t, uid: UInt32) -> Bool {
        guard !isNamed, let pid = pid_t(exactly: pid), pid > 1 else { return false }
        // First the descriptor, then the facts: they are those of the process that the descriptor means, or it has ended.
        let pidfd = Descriptor(host_pidfd(pid))
        if pidfd.isOpen {
            if let facts = ProcessFacts(of: pid) {
                guard facts.parent == parent, facts.uid == uid else { return false }
            } else if !Self.hasExited(pidfd) {
                return false  // It is there and nothing is to be learnt of it.
            }
            self.pidfd = pidfd
        }
        isNamed = true
        owedSince = nil
        guard state == .ordered, let channels else {
            kill()
            return true
        }
        state = .begun
        self.channels = nil
        run.begin(on: self, channels)
        answer.finish()
        return true
    }

    /// The zygote says that the process has ended.
    /// - Returns: false where it has not, or was never there.
    func hasEnded(_ exit: Exit) -> Bool {
        guard isNamed, hasExited else { return false }
        pidfd = nil
        owedSince = nil
        if state == .begun { run.processEnded(exit) }
        return true
    }

    /// The zygote says that there is no process.
    /// - Returns: false where there is one.
    func hasFailed() -> Bool {
        guard !isNamed else { return false }
        fail()
        return true
    }

    /// The zygote will not answer any more. Its processes die with it.
    func lose(_ why: String) {
        kill()
        if state == .begun { run.lose(why) } else { fail() }
    }

    /// Kills the process; its zygote kills what is left of its group.
    func kill() {
        guard let pidfd, !hasExited else { return }
        _ = host_pidfd_signal(pidfd.number, SIGKILL)
        if owedSince == nil { owedSince = PollExecutor.now }
    }

    private var hasExited: Bool { pidfd.map(Self.hasExited) ?? true }

    private static func hasExited(_ pidfd: Descriptor) -> Bool {
        var watched = pollfd(fd: pidfd.number, events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, 0) == 1
    }

    private func abandon() {
        channels?.close()
        channels = nil
        if state == .ordered { state = .abandoned }
    }

    private func fail() {
        abandon()
        state = .failed
        answer.finish()
    }
}
