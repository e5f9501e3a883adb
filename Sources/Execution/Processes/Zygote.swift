import CHost
import Core
import Glibc

/// An interpreter that has loaded everything and forks itself for every job. It never sees a tenant's text.
@PollThread
final class Zygote {
    enum State {
        case starting
        case ready
        /// Its children finish, and it takes no more.
        case retired
        case ended
    }

    private(set) var state = State.starting
    /// What it wrote last on its standard error.
    private(set) var lastErrorLine: String?
    /// Why it was killed.
    private(set) var fault: String?

    /// How long a zygote that is stopped may owe a child.
    static let patience: Duration = .seconds(2)
    /// How long any zygote may: on a busy machine much is slow.
    static let longPatience: Duration = .seconds(15)
    /// After so long it retires: what one child could learn of it is of no use to later ones.
    static let longestLife: Duration = .seconds(3600)
    /// When it has grown by so much it retires.
    static let mostGrowth = 64 << 20

    private let interpreter: Interpreter
    private let bell: Bell
    private let mostForks: Int
    private var control: PacketSocket?
    private var errors: LogPipe?
    private var output: LogPipe?
    private var processID: UInt32 = 0
    private var pid: pid_t?
    private var forks: [Int: Confined] = [:]
    private var lastFork = 0
    private var watchdog: Poller.Timer?
    private let begun = PollExecutor.now
    private var firstSize = 0

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
        processID = interpreter.startHarness(
            Interpreter.Ends(frames: control.theirs, output: output.theirs, error: error.theirs)
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
            control.ours, onPacket: { [weak self] bytes, _ in self?.receive(bytes) },
            onEnd: { [weak self] in self?.stop() })
        self.output = LogPipe(output.ours)
        errors = LogPipe(error.ours) { [weak self] line in
            if !line.isEmpty { self?.lastErrorLine = line }
        }
    }

    /// Has a child forked.
    /// - Parameter bell: rings when the child's state changes.
    /// - Returns: the child, on its way; nil where none can be had.
    func fork(bell: Bell) throws(ExecutionError) -> Confined? {
        retireIfOld()
        guard state == .ready, let control else { return nil }
        lastFork += 1
        let number = lastFork
        let fork = try Confined(
            interpreter.language, interpreter.sandbox, bell: bell, parent: { [weak self] in self?.pid }
        ) { ends in
            guard let initial = ends.control else { return }
            control.send(
                Array("{\"fork\":\(number)}".utf8), with: [ends.frames, ends.output, ends.error, initial])
        }
        forks[number] = fork
        if watchdog == nil { watch() }
        return fork
    }

    /// Lets those of its children finish that have a job, and ends it.
    func retire() {
        guard state == .ready else { return }
        state = .retired
        for fork in forks.values where fork.state != .running { fork.abandon("its zygote was retired") }
        bell.ring()
        endIfIdle()
    }

    /// Kills it; its children die with it.
    func stop() {
        if state != .ended { interpreter.cell.kill(processID) }
    }

    /// Kills it because it does not do what it must. Children that are not there yet are had elsewhere at once; those that
    /// run are told why they are lost before their end can show by itself.
    private func condemn(_ fault: String) {
        guard self.fault == nil else { return }
        self.fault = fault
        abandonAll(fault)
        retire()
        stop()
    }

    private func retireIfOld() {
        let size = pid.flatMap { ProcessFacts.residentBytes(of: $0) } ?? 0
        if firstSize == 0 { firstSize = size }
        let age = Duration.nanoseconds(Int64(PollExecutor.now - begun))
        if lastFork >= mostForks || age > Self.longestLife || size > firstSize + Self.mostGrowth { retire() }
    }

    private func endIfIdle() {
        forks = forks.filter { $0.value.state != .ended }
        if state == .retired, forks.isEmpty { control?.close() }
    }

    private func end(_ why: String) {
        guard state != .ended else { return }
        state = .ended
        if let watchdog { Poller.shared.cancel(watchdog) }
        control?.close()
        errors?.readRest()
        errors?.close()
        output?.close()
        abandonAll(why)
        forks = [:]
        bell.ring()
    }

    private func abandonAll(_ why: String) {
        for fork in forks.values {
            fork.abandon("the \(interpreter.language.label) zygote ended while the script ran: \(why)")
        }
    }

    /// Looks every half second, while there are children, whether one is overdue or an impostor.
    private func watch() {
        watchdog = Poller.shared.after(.milliseconds(500)) { [weak self] in
            guard let self else { return }
            self.watchdog = nil
            guard self.state != .ended else { return }
            self.judge()
            self.endIfIdle()
            if !self.forks.isEmpty { self.watch() }
        }
    }

    private func judge() {
        if forks.values.contains(where: \.isForged) { return condemn("it said what can not be true") }
        guard let since = forks.values.compactMap(\.owedSince).min() else { return }
        let waited = Duration.nanoseconds(Int64(PollExecutor.now - since))
        if waited > Self.longPatience {
            condemn("it did not answer within \(Self.longPatience.inSeconds)")
        } else if waited > Self.patience, pid.map(ProcessFacts.isStopped) == true {
            condemn("somebody had stopped it")
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
        guard let number = fields["fork"]?.integer, let fork = forks[number], fork.state == .starting else {
            return false
        }
        lastErrorLine = "can not fork: \(fields["error"]?.string ?? "it did not say why")"
        fork.abandon(lastErrorLine ?? "")
        return true
    }
}
