import CHost
import Core
import Glibc

/// An interpreter that has loaded everything and forks itself for every job. It never sees a tenant's text.
@PollThread
final class Zygote {
    enum State {
        case starting
        case ready
        /// It finishes its jobs and takes no more.
        case retired
        case ended
    }

    private(set) var state = State.starting
    /// The jobs that run now.
    var load: Int { jobs.count }
    /// What it wrote last on its standard error.
    private(set) var lastErrorLine: String?
    /// Why it was killed.
    private(set) var fault: String?

    /// How long a zygote that is stopped may owe an answer.
    static let patience: Duration = .seconds(2)
    /// How long any zygote may: on a busy machine much is slow.
    static let longPatience: Duration = .seconds(15)

    private let interpreter: Interpreter
    private let bell: Bell
    private let mostForks: Int
    private var control: PacketSocket?
    private var errors: LogPipe?
    private var output: LogPipe?
    private var processID: UInt32 = 0
    /// Its working directory in the run directory; each job has one in it.
    private var directory = ""
    private var pid: pid_t?
    private var jobs: [Int: Fork] = [:]
    private var lastJob = 0
    private var watchdog: Poller.Timer?

    /// Starts one.
    /// - Parameters:
    ///   - mostForks: after so many it retires.
    ///   - bell: rings when its state changes.
    init(_ interpreter: Interpreter, mostForks: Int, bell: Bell) throws(ExecutionError) {
        self.interpreter = interpreter
        self.mostForks = mostForks
        self.bell = bell
        let control = try Descriptor.socketPair(SOCK_SEQPACKET)
        let output = try Descriptor.pipe()
        let error = try Descriptor.pipe()
        (processID, directory) = try interpreter.startHarness(
            control: control.theirs, output: output.theirs, error: error.theirs
        ) { event in
            // It is held until its end is known.
            switch event {
            case .started(let pid): self.pid = pid
            case .failed(let why):
                self.lastErrorLine = why
                self.end(why)
            case .ended:
                self.end(interpreter.cell.hasLapsed ? "the worker's lease ran out" : "it was ended from outside")
            case .lost: self.end("cell has ended")
            }
        }
        StartMetrics.started(interpreter.language, "zygote")
        self.control = PacketSocket(
            control.ours, onPacket: { [weak self] in self?.receive($0) }, onEnd: { [weak self] in self?.stop() })
        self.output = LogPipe(output.ours)
        errors = LogPipe(error.ours) { [weak self] line in
            if !line.isEmpty { self?.lastErrorLine = line }
        }
    }

    /// Forks for a run.
    /// - Returns: false where the run has not begun and may begin elsewhere.
    func start(_ run: Run) async -> Bool {
        guard state == .ready, let control else { return false }
        do throws(ExecutionError) {
            let frames = try Descriptor.socketPair(SOCK_STREAM)
            let output = try Descriptor.pipe()
            let error = try Descriptor.pipe()
            lastJob += 1
            // A name that nobody can have taken before.
            let folder = "job-\(lastJob)-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
            let fork = Fork(
                run, folder,
                ScriptChannels(
                    frames: FrameSocket(frames.ours, resultLimit: run.resultLimit), output: LogPipe(output.ours),
                    error: LogPipe(error.ours)))
            jobs[lastJob] = fork
            control.send(
                Array("{\"job\":\(lastJob),\"folder\":\"\(folder)\"}".utf8),
                with: [frames.theirs, output.theirs, error.theirs])
            if watchdog == nil { watch() }
            if lastJob >= mostForks { retire() }
            return await fork.begins()
        } catch {
            run.lose(error.description)
            return true
        }
    }

    /// Lets it finish its jobs and end.
    func retire() {
        guard state == .ready else { return }
        state = .retired
        bell.ring()
        endIfIdle()
    }

    /// Kills it; its jobs die with it.
    func stop() {
        if state != .ended { interpreter.cell.kill(processID) }
    }

    /// Kills it because it does not do what it must. Jobs that it has not begun begin elsewhere at once.
    private func condemn(_ fault: String) {
        guard self.fault == nil else { return }
        self.fault = fault
        retire()
        stop()
        for (number, fork) in jobs where fork.state != .begun {
            jobs[number] = nil
            fork.lose(fault)
        }
    }

    private func endIfIdle() {
        if state == .retired, jobs.isEmpty { control?.close() }
    }

    private func end(_ why: String) {
        guard state != .ended else { return }
        state = .ended
        if let watchdog { Poller.shared.cancel(watchdog) }
        control?.close()
        errors?.readRest()
        errors?.close()
        output?.close()
        let orphans = jobs.values
        jobs = [:]
        let why = fault ?? why
        for fork in orphans { fork.lose("the \(interpreter.language.label) zygote ended while the script ran: \(why)") }
        interpreter.cell.clear()
        bell.ring()
    }

    /// Looks every half second, while there are jobs, whether an answer is overdue.
    private func watch() {
        watchdog = Poller.shared.after(.milliseconds(500)) { [weak self] in
            guard let self else { return }
            self.watchdog = nil
            guard self.state != .ended, !self.jobs.isEmpty else { return }
            if let since = self.jobs.values.compactMap(\.owedSince).min() {
                let waited = Duration.nanoseconds(Int64(PollExecutor.now - since))
                if waited > Self.longPatience {
                    self.condemn("it did not answer within \(Self.longPatience.inSeconds)")
                } else if waited > Self.patience, self.pid.flatMap(ProcessFacts.init(of:))?.isStopped == true {
                    self.condemn("somebody had stopped it")
                }
            }
            self.watch()
        }
    }

    private func receive(_ bytes: [UInt8]) {
        guard fault == nil else { return }
        guard let message = try? JSONText(checking: bytes), take(message) else {
            return condemn("it said what can not be true")
        }
        endIfIdle()
    }

    /// Takes a message; false where it can not be true.
    private func take(_ message: JSONText) -> Bool {
        let fields = Dictionary(message.members, uniquingKeysWith: { $1 })
        if fields["ready"]?.bool == true {
            guard state == .starting else { return false }
            state = .ready
            bell.ring()
            return true
        }
        guard let number = fields["job"]?.integer, let fork = jobs[number], let parent = pid else { return false }
        if let pid = fields["pid"]?.integer {
            return fork.hasStarted(pid, parent: parent, uid: interpreter.directory.uid ?? getuid())
        }
        if let status = fields["status"]?.integer.flatMap(Int32.init(exactly:)) {
            let user = max(0, fields["user_us"]?.integer ?? 0)
            let system = max(0, fields["system_us"]?.integer ?? 0)
            let peak = min(max(0, fields["peak_kb"]?.integer ?? 0), 1 << 40)
            let exit = Exit(
                status: status, userCPU: .microseconds(user), systemCPU: .microseconds(system),
                peakMemoryBytes: peak << 10)
            guard fork.hasEnded(exit) else { return false }
            interpreter.cell.clear(directory: "\(directory)/\(fork.folder)")
        } else {
            guard fork.hasFailed() else { return false }
            lastErrorLine = "can not fork: \(fields["error"]?.string ?? "it did not say why")"
        }
        jobs[number] = nil
        return true
    }
}
