import CHost
import Core
import Glibc

/// A process in its sandbox, with a harness that waits for its one script: a fork of a zygote, or a program of its own. Where its
/// author allows it, a program runs the same script again for the next job.
@PollThread
final class Confined: ScriptProcess {
    enum State {
        case starting
        case ready
        case running
        /// It has served a job and waits for the next one.
        case kept
        case ended
    }

    private(set) var state = State.starting
    /// What it wrote last on its standard error before it had a job.
    private(set) var lastErrorLine: String?
    /// Whether its init was nobody of ours.
    private(set) var isForged = false
    /// Since when it is owed, in nanoseconds of the monotonic clock: whoever was to start it has not.
    private(set) var owedSince: UInt64?

    let language: ScriptLanguage
    private let sandbox: Sandbox
    private let bell: Bell
    private let warden: Warden
    private var channels: ScriptChannels?
    private var run: Run?
    private var cgroup: Cgroups.Group?
    private var meter: Meter?
    /// The script's process; nil before it is ready.
    private var script: pid_t?
    private var jobs = 0
    /// Whether it was told to end.
    private var isDoomed = false
    /// Where it waits between two jobs; nil where it has one only.
    private var pool: ReusePool?

    /// - Parameters:
    ///   - parent: who must be its init's parent.
    ///   - bell: rings when its state changes.
    ///   - start: has it started with these ends.
    init(
        _ language: ScriptLanguage, _ sandbox: Sandbox, bell: Bell, parent: @escaping @PollThread () -> pid_t?,
        _ start: @PollThread (Interpreter.Ends) -> Void
    ) throws(ExecutionError) {
        self.language = language
        self.sandbox = sandbox
        self.bell = bell
        let frames = try Descriptor.socketPair(SOCK_STREAM)
        let output = try Descriptor.pipe()
        let error = try Descriptor.pipe()
        let control = try Descriptor.socketPair(SOCK_SEQPACKET)
        warden = Warden(control.ours, sandbox, parent: parent)
        owedSince = PollExecutor.now
        let channels = ScriptChannels(
            frames: FrameSocket(frames.ours, resultLimit: 0), output: LogPipe(output.ours), error: LogPipe(error.ours))
        self.channels = channels
        channels.frames.onInput = { [weak self] in self?.receive($0) }
        channels.error.deliver = { [weak self] line in
            if !line.isEmpty { self?.lastErrorLine = line }
        }
        // It is held until its end is known.
        warden.onEvent = { self.happened($0) }
        watchStart(looks: 15)
        start(
            Interpreter.Ends(
                frames: frames.theirs, output: output.theirs, error: error.theirs, control: control.theirs))
    }

    /// Gives it a job.
    /// - Parameter pool: where it may wait for the next one, if the job allows it.
    /// - Returns: false where it can not take it: it has ended, or somebody has stopped it.
    func start(_ run: Run, keptIn pool: ReusePool? = nil) async -> Bool {
        let wasKept = state == .kept
        if wasKept, let channels {
            // Whoever says something now has left something at work: its words are nobody's.
            channels.frames.readRest()
            channels.output.turnPage()
            channels.error.turnPage()
        }
        guard state == .ready || state == .kept, !isDoomed, let channels, let pid = warden.pid else {
            kill()
            return false
        }
        guard !isStopped else {
            abandon("somebody had stopped it")
            return false
        }
        state = .running
        jobs += 1
        if run.reuse != nil, let pool { self.pool = pool }
        // The limits of one that is kept are those of its key.
        if !wasKept {
            let isLimited = await limit(run)
            guard isLimited, state == .running else {
                abandon("its limits can not be set")
                return false
            }
        }
        self.run = run
        self.channels = nil
        channels.frames.accept(resultLimit: run.resultLimit)
        let meter = Meter(init: pid, cgroup, run.limits, language) { [weak run] in run?.exceed($0) }
        self.meter = meter
        // Its start is not the script's to pay.
        run.begin(on: self, channels, usedBefore: meter.begin())
        return true
    }

    /// Whether a signal has stopped it: its place is wanted.
    private var isStopped: Bool {
        guard let pid = warden.pid else { return false }
        return ((script.map { [$0] } ?? ProcessTree.children(of: pid)) + [pid]).contains(where: ProcessFacts.isStopped)
    }

    /// Ends it where it does not get ready, or where somebody has stopped it on the way.
    private func watchStart(looks: Int) {
        Poller.shared.after(.seconds(2)) { [weak self] in
            guard let self, self.state == .starting else { return }
            if looks == 1 || self.isStopped {
                self.abandon("it was not ready in time")
            } else {
                self.watchStart(looks: looks - 1)
            }
        }
    }

    private func limit(_ run: Run) async -> Bool {
        let limits = run.limits
        let processes = limits.processes + language.ownProcesses
        // Its init is a process as well.
        cgroup?.limit(memory: limits.memoryBytes + limits.tmpBytes + language.ownMemory, processes: processes + 1)
        // The kernel's older limit tells nobody when it refuses, and counts those that are being refused: it only stands
        // behind the group's. Without that, there is room for the few beyond what is allowed to be seen.
        let most = cgroup?.countsProcesses == true ? 2 * processes : processes + 3
        let seconds = Int(limits.cpu.components.seconds) + (limits.cpu.components.attoseconds > 0 ? 1 : 0)
        return await warden.limit(
            Warden.Limits(
                processes: sandbox.hasNamespaces ? most : 0,
                // The kernel counts a process's whole life, which may have many jobs: those are only looked at.
                cpuSeconds: pool == nil ? seconds : 0,
                dataBytes: limits.memoryBytes + language.reservedMemory, temporaryBytes: limits.tmpBytes,
                packages: run.tenant ?? ""))
    }

    /// Left to itself, Node.js first takes its engine apart, while somebody waits for the process's end.
    func hasAnswered() {
        if language.isParked, run?.reuse == nil { kill() }
    }

    /// Keeps it for the next job with the same key, where it has not grown old or large.
    func release(_ channels: ScriptChannels) -> Exit? {
        guard state == .running, !isDoomed, let pool, let key = run?.reuse, jobs < pool.rules.mostJobs,
            channels.frames.unsentBytes == 0, !channels.output.hasEnded, !channels.error.hasEnded,
            let pid = script, let facts = ProcessFacts(of: pid), facts.memoryBytes <= key.memoryBytes / 2, let meter,
            cgroup?.limitReached == nil
        else {
            kill()
            return nil
        }
        var used = Exit(status: 0, userCPU: meter.used, systemCPU: .zero, peakMemoryBytes: facts.peakMemoryBytes)
        meter.finish(&used)
        self.meter = nil
        state = .kept
        run = nil
        self.channels = channels
        ProcessFacts.forgetPeak(of: pid)
        cgroup?.forgetPeak()
        channels.frames.accept(resultLimit: 0)
        channels.frames.onInput = { [weak self] in self?.receive($0) }
        channels.frames.onSent = {}
        for pipe in [channels.output, channels.error] {
            pipe.deliver = { [weak self] _ in self?.kill() }
            pipe.onEnd = { [weak self] in self?.kill() }
        }
        pool.keep(self, for: key)
        return used
    }

    /// Ends it. What runs in it is told with ``abandon(_:)``, or when the end is known.
    func kill() {
        isDoomed = true
        warden.kill()
        pool?.end(self)
    }

    /// Ends it, and what runs in it is lost.
    func abandon(_ why: String) {
        end { $0.lose(why) }
        warden.abandon()
    }

    private func receive(_ input: FrameSocket.Input) {
        if case .frame(let frame) = input, frame.type == .ready, state == .starting {
            state = .ready
            script = warden.pid.flatMap { ProcessTree.children(of: $0).first }
            bell.ring()
        } else if state != .running {
            kill()
        }
    }

    private func happened(_ event: Warden.Event) {
        switch event {
        case .greeted(let pid):
            owedSince = nil
            guard let cgroups = sandbox.cgroups else { return warden.admit() }
            // The init waits for it, and this process for the init.
            Task { @PollThread in
                let group = await cgroups.makeGroup(pid)
                guard state != .ended else { return group?.leave() ?? () }
                cgroup = group
                warden.admit()
            }
        case .forged:
            isForged = true
            end { $0.lose("its process was not one of ours") }
        case .ended(var exit):
            meter?.finish(&exit)
            end { $0.processEnded(exit) }
        case .gone:
            var exit = Exit(status: SIGKILL, userCPU: .zero, systemCPU: .zero, peakMemoryBytes: 0)
            meter?.finish(&exit)
            end { $0.processGone(exit, sandbox.reason() ?? "it was ended from outside") }
        }
    }

    private func end(_ tell: (Run) -> Void) {
        guard state != .ended else { return }
        state = .ended
        pool?.end(self)
        owedSince = nil
        meter?.stop()
        meter = nil
        channels?.error.readRest()
        channels?.close()
        channels = nil
        cgroup?.leave()
        cgroup = nil
        if let run { tell(run) }
        run = nil
        bell.ring()
    }
}
