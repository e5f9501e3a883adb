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

    private let interpreter: Interpreter
    private let bell: Bell
    private let mostForks: Int
    private var control: PacketSocket?
    private var errors: LogPipe?
    private var output: LogPipe?
    private var processID: UInt32 = 0
    private var jobs: [Int: (run: Run, process: Fork)] = [:]
    private var lastJob = 0

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
        processID = try interpreter.startHarness(
            control: control.theirs, output: output.theirs, error: error.theirs
        ) { event in
            // It is held until its end is known.
            switch event {
            case .started: break
            case .failed(let why):
                self.lastErrorLine = why
                self.end()
            case .ended, .lost: self.end()
            }
        }
        self.control = PacketSocket(
            control.ours, onPacket: { [weak self] in self?.receive($0) }, onEnd: { [weak self] in self?.stop() })
        self.output = LogPipe(output.ours)
        errors = LogPipe(error.ours) { [weak self] line in
            if !line.isEmpty { self?.lastErrorLine = line }
        }
    }

    /// Forks for a run.
    func start(_ run: Run) {
        do throws(ExecutionError) {
            let frames = try Descriptor.socketPair(SOCK_STREAM)
            let output = try Descriptor.pipe()
            let error = try Descriptor.pipe()
            lastJob += 1
            let fork = Fork()
            jobs[lastJob] = (run, fork)
            control?.send(
                Array("{\"job\":\(lastJob)}".utf8), with: [frames.theirs, output.theirs, error.theirs])
            run.begin(
                on: fork,
                ScriptChannels(
                    frames: FrameSocket(frames.ours, resultLimit: run.resultLimit), output: LogPipe(output.ours),
                    error: LogPipe(error.ours)))
            if lastJob >= mostForks { retire() }
        } catch {
            run.lose(error.description)
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

    private func endIfIdle() {
        if state == .retired, jobs.isEmpty { control?.close() }
    }

    private func end() {
        guard state != .ended else { return }
        state = .ended
        control?.close()
        errors?.readRest()
        errors?.close()
        output?.close()
        let orphans = jobs.values
        jobs = [:]
        for job in orphans {
            job.process.kill()
            job.run.lose("the \(interpreter.language.label) zygote ended while the script ran")
        }
        interpreter.cell.clear()
        bell.ring()
    }

    private func receive(_ bytes: [UInt8]) {
        guard let message = try? JSONText(checking: bytes) else { return stop() }
        let fields = Dictionary(message.members, uniquingKeysWith: { $1 })
        if fields["ready"]?.bool == true, state == .starting {
            state = .ready
            bell.ring()
        }
        if fields["recycle"]?.bool == true { retire() }
        guard let number = fields["job"]?.integer, let job = jobs[number] else { return }
        if let pid = fields["pid"]?.integer {
            job.process.hasStarted(pid_t(truncatingIfNeeded: pid))
        } else if let status = fields["status"]?.integer {
            jobs[number] = nil
            job.process.hasEnded()
            job.run.processEnded(
                Exit(
                    status: Int32(truncatingIfNeeded: status), cpu: .microseconds(fields["cpu_us"]?.integer ?? 0),
                    peakMemoryBytes: (fields["peak_kb"]?.integer ?? 0) << 10))
            interpreter.cell.clear()
            endIfIdle()
        } else {
            jobs[number] = nil
            job.run.lose("the zygote can not fork: \(fields["error"]?.string ?? "it did not say why")")
            endIfIdle()
        }
    }
}

/// The process that a zygote forked for one job.
@PollThread
private final class Fork: ScriptProcess {
    private var pid: pid_t?
    private var pidfd: Descriptor?
    private var isKilled = false

    func hasStarted(_ pid: pid_t) {
        self.pid = pid
        pidfd = Descriptor(host_pidfd(pid))
        if isKilled { kill() }
    }

    /// The process is reaped; what is left of its group goes too. A group's number is not given away while it has members.
    func hasEnded() {
        if let pid { _ = Glibc.kill(-pid, SIGKILL) }
        pid = nil
        pidfd = nil
    }

    func kill() {
        isKilled = true
        guard let pid, let pidfd else { return }
        _ = Glibc.kill(-pid, SIGKILL)
        // The descriptor never means another process that has the same number by now.
        _ = host_pidfd_signal(pidfd.number, SIGKILL)
    }
}
