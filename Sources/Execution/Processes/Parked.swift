import CHost
import Core
import Glibc

/// A process that was started ahead, has warmed up, and waits for its one job.
@PollThread
final class Parked: ScriptProcess {
    enum State {
        case starting
        case ready
        case running
        case ended
    }

    private(set) var state = State.starting
    /// What it wrote last on its standard error before it had a job.
    private(set) var lastErrorLine: String?

    private let interpreter: Interpreter
    private let bell: Bell
    private var channels: ScriptChannels?
    private var run: Run?
    private var id: UInt32 = 0
    private var pid: pid_t?

    /// Starts one.
    /// - Parameter bell: rings when its state changes.
    init(_ interpreter: Interpreter, bell: Bell) throws(ExecutionError) {
        self.interpreter = interpreter
        self.bell = bell
        let frames = try Descriptor.socketPair(SOCK_STREAM)
        let output = try Descriptor.pipe()
        let error = try Descriptor.pipe()
        let started = try interpreter.startHarness(
            control: frames.theirs, output: output.theirs, error: error.theirs
        ) {
            // It is held until its end is known.
            self.happened($0)
        }
        id = started.id
        StartMetrics.started(interpreter.language, "parked")
        let channels = ScriptChannels(
            frames: FrameSocket(frames.ours, resultLimit: 0), output: LogPipe(output.ours), error: LogPipe(error.ours))
        channels.frames.onInput = { [weak self] in self?.receive($0) }
        channels.error.deliver = { [weak self] line in
            if !line.isEmpty { self?.lastErrorLine = line }
        }
        self.channels = channels
        watchStart(for: 15)
    }

    /// Ends it where it does not get ready, or where somebody has stopped it on the way: its place is wanted.
    private func watchStart(for looks: Int) {
        Poller.shared.after(.seconds(2)) { [weak self] in
            guard let self, self.state == .starting else { return }
            if looks == 1 || self.pid.flatMap(ProcessFacts.init(of:))?.isStopped == true {
                self.kill()
            } else {
                self.watchStart(for: looks - 1)
            }
        }
    }

    /// Gives it its job.
    /// - Returns: false where it can not take it: it has ended, or somebody has stopped it.
    func start(_ run: Run) -> Bool {
        guard state == .ready, let channels, let pid, ProcessFacts(of: pid)?.isStopped == false else {
            kill()
            return false
        }
        state = .running
        self.run = run
        self.channels = nil
        channels.frames.accept(resultLimit: run.resultLimit)
        // Its start is not the script's to pay.
        run.begin(on: self, channels, cpuBefore: .microseconds(max(0, host_cpu_microseconds(pid))))
        return true
    }

    func kill() {
        if state != .ended { interpreter.cell.kill(id) }
    }

    private func receive(_ input: FrameSocket.Input) {
        if case .frame(let frame) = input, frame.type == .ready, state == .starting {
            state = .ready
            bell.ring()
        } else {
            kill()
        }
    }

    private func happened(_ event: Cell.Event) {
        switch event {
        case .started(let pid): self.pid = pid
        case .failed(let why):
            lastErrorLine = why
            end { $0.lose(why) }
        case .ended(let exit) where exit.signal == SIGKILL && interpreter.cell.hasLapsed:
            end { $0.lose("the process was ended: the worker's lease ran out") }
        case .ended(let exit): end { $0.processEnded(exit) }
        case .lost: end { $0.lose("the process was lost with cell") }
        }
    }

    private func end(_ tell: (Run) -> Void) {
        state = .ended
        if let run { tell(run) }
        run = nil
        channels?.error.readRest()
        channels?.close()
        channels = nil
        bell.ring()
    }
}
