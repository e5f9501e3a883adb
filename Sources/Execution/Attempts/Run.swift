import Core
import Glibc

/// One script in its process, from handing it over to the end of both.
///
/// What happens first decides the outcome: the result, a limit, a fault, a cancellation, or the process's end. After
/// that, the process is given a moment to end, is killed where it does not, and is waited for.
@PollThread
final class Run {
    /// A `platform.api` call that nobody has answered yet.
    struct Request {
        var payload: [UInt8]
        /// The script has used up its calls.
        var isOverLimit: Bool
    }

    /// How it went, the result not yet read.
    struct Ended {
        var outcome: Outcome
        var limits: AttemptLimits
        var exit: Exit?
        var usage: AttemptUsage
        var lastErrorLine: String?
        var logTruncated: Bool
    }

    enum Outcome {
        case result([UInt8])
        case limit(LimitHit)
        case violation(String)
        case cancelled
        case lost(String)
        /// The process ended without a result.
        case gone
    }

    /// Calls that are answered at the same time, at most.
    static let callsAtOnce = 16
    /// How long a process may take to end after its result.
    static let grace: Duration = .milliseconds(150)
    /// How long is waited for a killed process.
    static let reaping: Duration = .milliseconds(200)
    /// How long an ended process's output is waited for, where something else still holds it.
    static let draining: Duration = .milliseconds(50)
    /// Answers that the script has not taken yet, in bytes; beyond it, no more calls are read.
    static let unsentLimit = 64 << 20
    /// What a result may be longer than its limit, for its names and braces.
    static let resultSlack = 64 << 10

    /// Ends when the outcome is decided.
    nonisolated let requests: AsyncStream<Request>
    private let requested: AsyncStream<Request>.Continuation
    /// Which processes may serve it beside fresh ones; nil where none may.
    let reuse: ReuseKey?
    private let frame: [UInt8]
    let limits: AttemptLimits
    /// Whose script it is, as its packages are named; nil where it is nobody's.
    let tenant: String?
    private let log: @Sendable (LogLine) -> Void

    private var process: (any ScriptProcess)?
    private var channels: ScriptChannels?
    private var outcome: Outcome?
    private var exit: Exit?
    private var hasProcessEnded = false
    private var ended: Ended?
    private var waiter: CheckedContinuation<Ended, Never>?
    private var timer: Poller.Timer?
    private var begun: UInt64 = 0
    private var cpuBefore = Duration.zero
    private let asked = PollExecutor.now
    private var usage = AttemptUsage()

    private var budget: LogBudget
    private var lastWords = LastWords()
    private var unanswered = 0
    private var unansweredBytes = 0

    /// - Parameters:
    ///   - frame: what the harness is sent.
    ///   - log: is called on the poll thread and must not block.
    init(
        frame: [UInt8], limits: AttemptLimits, tenant: String? = nil, reuse: ReuseKey? = nil,
        log: @escaping @Sendable (LogLine) -> Void
    ) {
        self.frame = frame
        self.reuse = reuse
        self.limits = limits
        self.tenant = tenant
        self.log = log
        budget = LogBudget(bytes: limits.logBytes)
        (requests, requested) = AsyncStream.makeStream()
    }

    var resultLimit: Int { limits.responseBytes + Self.resultSlack }

    /// Hands the script over.
    /// - Parameter usedBefore: what the process has used for starting, which is not the script's.
    func begin(on process: any ScriptProcess, _ channels: ScriptChannels, usedBefore: Duration = .zero) {
        guard outcome == nil else {
            channels.close()
            return process.kill()
        }
        self.process = process
        self.channels = channels
        cpuBefore = usedBefore
        begun = PollExecutor.now
        channels.frames.onInput = { [weak self] in self?.receive($0) }
        channels.frames.onSent = { [weak self] in self?.adjustPace() }
        channels.output.deliver = { [weak self] in self?.write($0, .stdout) }
        channels.error.deliver = { [weak self] in self?.write($0, .stderr) }
        channels.output.onEnd = { [weak self] in self?.finishIfDrained() }
        channels.error.onEnd = { [weak self] in self?.finishIfDrained() }
        timer = Poller.shared.after(limits.wall) { [weak self] in
            guard let self else { return }
            self.decide(.limit(LimitHit(key: "wall_seconds", value: self.limits.wall.inSeconds)))
        }
        usage.waited = .nanoseconds(Int64(begun - asked))
        send(frame, on: channels)
    }

    private func send(_ frame: [UInt8], on channels: ScriptChannels?) {
        usage.bytesIn += frame.count
        channels?.frames.send(frame)
    }

    func cancel() { decide(.cancelled) }

    /// The script has used too much of something.
    func exceed(_ hit: LimitHit) { decide(.limit(hit)) }

    /// The process could not be had, or whoever was to tell of its end is gone.
    func lose(_ why: String) {
        decide(.lost(why))
        hasProcessEnded = true
        finish()
    }

    /// Its process was killed from outside; nobody has seen it end.
    func processGone(_ exit: Exit, _ why: String) {
        guard ended == nil, !hasProcessEnded else { return }
        self.exit = exit
        // The kernel may choose the init itself where the script's processes have used up what they share.
        if let key = exit.limit { decide(.limit(limits.hit(key))) }
        lose("the process that ran the script was ended: \(why)")
    }

    func processEnded(_ exit: Exit) {
        guard ended == nil, !hasProcessEnded else { return }
        self.exit = exit
        hasProcessEnded = true
        channels?.frames.resume()
        channels?.frames.readRest()
        if let (arrived, length) = channels?.frames.partOfResult {
            decide(.violation("the response was cut: the process ended after \(arrived) of its \(length) bytes"))
        }
        decide(.gone)
        setTimer(Self.draining) { run in
            run.channels?.output.readRest()
            run.channels?.error.readRest()
            run.finish()
        }
        finishIfDrained()
    }

    /// Sends the answer to a request.
    func answer(_ request: Request, _ frame: [UInt8]) {
        unanswered -= 1
        unansweredBytes -= request.payload.count
        guard outcome == nil else { return }
        send(frame, on: channels)
        adjustPace()
    }

    func violate(_ what: String) { decide(.violation(what)) }

    /// Waits for the end, also in a cancelled task: who is cancelled calls ``cancel()`` first.
    func end() async -> Ended {
        if let ended { return ended }
        return await withCheckedContinuation { waiter = $0 }
    }

    private func receive(_ input: FrameSocket.Input) {
        guard outcome == nil else { return release(after: input) }
        switch input {
        case .frame(let frame):
            usage.bytesOut += frame.payload.count
            switch frame.type {
            case .result: decide(.result(frame.payload))
            case .apiRequest where !hasProcessEnded:
                usage.apiCalls += 1
                unanswered += 1
                unansweredBytes += frame.payload.count
                requested.yield(Request(payload: frame.payload, isOverLimit: usage.apiCalls > limits.apiCalls))
                adjustPace()
            case .apiRequest: break
            case .ready, .job, .apiResponse, .check:
                decide(.violation("the script sent a frame of type \(frame.type.rawValue)"))
            }
        case .fault(.length(.result, _)):
            decide(.limit(LimitHit(key: "response_bytes", value: limits.responseBytes.inBytes)))
        case .fault(.length(let type, let length)):
            decide(.violation("the script sent a frame of type \(type.rawValue) with \(length) bytes"))
        case .fault(.type(let type)):
            decide(.violation("the script sent a frame of type \(type)"))
        case .end: break  // The process's end will tell.
        }
    }

    /// A process that serves several jobs says after a result that it has tidied up: then nothing has to end.
    private func release(after input: FrameSocket.Input) {
        guard case .result = outcome, ended == nil, !hasProcessEnded, case .frame(let frame) = input,
            frame.type == .ready, let process, let channels
        else { return }
        // What this script has printed is there already: it was written before.
        channels.output.turnPage()
        channels.error.turnPage()
        guard let used = process.release(channels) else { return }  // its end will tell
        exit = used
        hasProcessEnded = true
        self.channels = nil
        finish()
    }

    /// The child waits while too much of its own is in our memory.
    private func adjustPace() {
        guard let frames = channels?.frames, !hasProcessEnded else { return }
        let isFull =
            unanswered >= Self.callsAtOnce || unansweredBytes > FrameDecoder.requestLimit
            || frames.unsentBytes > Self.unsentLimit
        if isFull { frames.pause() } else { frames.resume() }
    }

    private func write(_ line: String, _ stream: LogLine.Stream) {
        guard stream != .stderr || lastWords.hear(line) else { return }
        usage.logBytes += line.utf8.count
        let wasCut = budget.isCut
        if let kept = budget.keep(line) { log(LogLine(stream: stream, text: kept)) }
        if budget.isCut, !wasCut {
            let limit = limits.logBytes.inBytes
            log(LogLine(stream: .system, text: "The output is cut here: the limit log_bytes is \(limit)."))
            channels?.output.wantNoMore()
            channels?.error.wantNoMore()
        }
    }

    private func decide(_ outcome: Outcome) {
        guard self.outcome == nil else { return }
        self.outcome = outcome
        requested.finish()
        if case .result = outcome {
            usage.answered = .nanoseconds(Int64(PollExecutor.now - begun))
            setTimer(Self.grace) { $0.killProcess() }
            process?.hasAnswered()
        } else {
            killProcess()
        }
    }

    private func killProcess() {
        process?.kill()
        setTimer(Self.reaping) { $0.finish() }
    }

    private func setTimer(_ delay: Duration, _ action: @escaping @PollThread (Run) -> Void) {
        if let timer { Poller.shared.cancel(timer) }
        timer = Poller.shared.after(delay) { [weak self] in
            guard let self else { return }
            action(self)
        }
    }

    private func finishIfDrained() {
        guard hasProcessEnded, let channels, channels.output.hasEnded, channels.error.hasEnded else { return }
        finish()
    }

    private func finish() {
        guard ended == nil, let outcome else { return }
        if let timer { Poller.shared.cancel(timer) }
        channels?.close()
        if let exit {
            // What it used before its job is counted as one amount; it is mostly the user's.
            usage.userCPU = max(.zero, exit.userCPU - cpuBefore)
            usage.systemCPU = max(.zero, exit.systemCPU - max(.zero, cpuBefore - exit.userCPU))
            usage.peakMemoryBytes = exit.peakMemoryBytes
        }
        if begun != 0 { usage.wall = .nanoseconds(Int64(PollExecutor.now - begun)) }
        let ended = Ended(
            outcome: outcome, limits: limits, exit: exit, usage: usage, lastErrorLine: lastWords.text,
            logTruncated: budget.isCut)
        self.ended = ended
        process = nil
        channels = nil
        waiter?.resume(returning: ended)
        waiter = nil
    }
}
