import Core
import Execution

/// Rounds of hot jobs, cold jobs and bare forks, in turns.
struct ExecuteRounds: Sendable {
    let executor: ScriptExecutor
    let language: ScriptLanguage
    let reuse: Bool
    let time: Duration
    let concurrency: Int

    /// Whether each hot job takes a process that must be replaced.
    private var usesUp: Bool { (language == .nodejs || language == .v8js) && !reuse }

    func figures() async throws -> ExecuteFigures {
        var figures = ExecuteFigures(
            language: language, isReused: reuse, seconds: time.seconds, concurrency: concurrency, load: LoadAverage.now)
        // What is done for the first time is done here.
        _ = try await block(of: usesUp ? concurrency : 20) { await executor.execute($0, host: NobodyAsks()) }
        _ = try await block(of: 1) { await executor.executeCold($0, host: NobodyAsks()) }

        let clock = ContinuousClock()
        let end = clock.now + time
        repeat {
            // Where each job takes a process, the next ones come when it has been replaced: faster than that, a caller
            // would wait for processes to start, and measure the cold ones once more.
            for _ in 0..<(usesUp ? 6 : 1) {
                figures.hot += try await block(of: usesUp ? concurrency : max(40, 4 * concurrency)) {
                    await executor.execute($0, host: NobodyAsks())
                }
            }
            figures.cold += try await block(of: max(3, concurrency)) {
                await executor.executeCold($0, host: NobodyAsks())
            }
            for _ in 0..<10 {
                guard let fork = await executor.bareFork() else {
                    throw BenchFailure(description: "a bare process could not be forked")
                }
                figures.forks.append(fork)
            }
            figures.rounds += 1
        } while clock.now < end && !Task.isCancelled
        try Task.checkCancellation()
        return figures
    }

    /// Runs some jobs, and waits until nothing of them is at work any more.
    private func block(
        of count: Int, _ run: @escaping @Sendable (ScriptAttempt) async -> AttemptReport
    ) async throws -> Sample {
        let clock = ContinuousClock()
        var processor = ProcessorTime()
        let before = processor.read()
        let begin = clock.now
        let lanes = min(count, concurrency)
        var sample = try await withThrowingTaskGroup(of: Sample.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var sample = Sample()
                    for _ in stride(from: lane, to: count, by: lanes) { try await time(run, &sample) }
                    return sample
                }
            }
            return try await group.reduce(into: Sample()) { $0 += $1 }
        }
        guard sample.times.count == count else {
            throw BenchFailure(description: "of \(count) jobs \(sample.times.count) were answered")
        }
        // The next jobs need processes, so their start is part of these jobs' time where each takes one.
        if !usesUp { sample.wall = begin.duration(to: clock.now) }
        await processor.settle()
        if usesUp { sample.wall = begin.duration(to: clock.now) }
        sample.cpu = processor.read() - before
        return sample
    }

    /// One job, whose answer must be its own.
    private func time(_ run: @Sendable (ScriptAttempt) async -> AttemptReport, _ sample: inout Sample) async throws {
        let word = "\(UInt64.random(in: 0 ... .max))-é\n"
        let limits = AttemptLimits(wall: .seconds(30))
        var attempt = ScriptAttempt(
            language: language, name: "service.bench", source: source,
            event: .object([("word", .string(word)), ("response", .emptyObject)]),
            platform: .object([("config", .emptyObject), ("session", .emptyObject)]), limits: limits)
        attempt.tenant = "bench"
        if reuse {
            attempt.reuse = ReuseKey(tenant: TenantID(rawValue: 1), service: 1, version: 1, limits: limits)
        }
        let clock = ContinuousClock()
        let begin = clock.now
        let report = await run(attempt)
        let whole = begin.duration(to: clock.now)
        guard case .result(let result) = report.ending, result.error == nil, result.returned?.string == word else {
            throw BenchFailure(
                description: "a job that had to return \(word.debugDescription) ended with \(report.ending)")
        }
        sample.times.append(report.usage.waited + report.usage.answered)
        sample.waits.append(report.usage.waited)
        sample.wholes.append(whole)
    }

    private var source: String {
        switch language {
        case .nodejs, .v8js: "return event.word;"
        case .php: "return $event['word'];"
        case .python, .python3: "return event['word']"
        }
    }
}

/// The scripts of a benchmark ask nothing and print nothing.
struct NobodyAsks: ScriptHost {
    func call(_ call: APICall) async -> APIReply { APIReply(status: 404, headers: [], body: []) }
    func answer(_ question: ScriptQuestion) async -> ScriptAnswer { .value(.null) }
    func log(_ line: LogLine) {}
}
