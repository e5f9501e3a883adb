import Core
import JobQueue

/// Rounds of calls through the installation and of calls that start a process each, in turns.
struct InvokeRounds: Sendable {
    /// Those who call one path.
    struct Callers: Sendable {
        let all: [BenchCaller]
        let path: String
    }

    let language: ScriptLanguage
    let time: Duration
    let hot: Callers
    let cold: Callers

    /// How long one side calls before it is the other's turn.
    private static let turn = Duration.seconds(1)

    /// - Parameter records: what is kept of jobs.
    func figures(
        records: @Sendable ([JobID]) async throws -> [JobRecord]
    ) async throws -> InvokeFigures {
        defer { for caller in hot.all + cold.all { caller.close() } }
        progress("measuring")
        var figures = InvokeFigures(
            language: language, seconds: time.seconds, concurrency: hot.all.count, load: LoadAverage.now)
        var replies: [BenchCaller.Reply] = []
        // What is done for the first time is done here.
        for callers in [hot, cold] { _ = try await block(callers, for: .zero, atLeast: 5) }

        let clock = ContinuousClock()
        let end = clock.now + time
        repeat {
            let left = max(.zero, end - clock.now)
            let (hotSample, some) = try await block(hot, for: min(Self.turn, left / 2))
            figures.hot += hotSample
            replies += some
            figures.cold += try await block(cold, for: min(Self.turn, left / 2)).0
            figures.rounds += 1
        } while clock.now < end

        let answered = Dictionary(grouping: replies.filter { $0.job != nil }) { $0.job ?? "" }
        guard answered.count == replies.count else {
            throw BenchFailure(
                description: "\(replies.count) calls were answered by \(answered.count) jobs: each must have its own")
        }
        figures.split = try await InvokeSplit(replies, records: records)
        return figures
    }

    /// Lets the callers call for a while, and waits until nothing of it is at work any more.
    /// - Parameter least: how many calls each caller makes, however long they take.
    private func block(
        _ callers: Callers, for time: Duration, atLeast least: Int = 1
    ) async throws -> (Sample, [BenchCaller.Reply]) {
        let clock = ContinuousClock()
        var processor = ProcessorTime()
        let before = processor.read()
        let begin = clock.now
        let replies = try await withThrowingTaskGroup(of: [BenchCaller.Reply].self) { group in
            for caller in callers.all {
                group.addTask {
                    var replies: [BenchCaller.Reply] = []
                    repeat {
                        replies.append(try await call(caller, callers.path))
                    } while replies.count < least || clock.now - begin < time
                    return replies
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        var sample = Sample()
        sample.times = replies.map(\.took)
        sample.wall = begin.duration(to: clock.now)
        await processor.settle()
        sample.cpu = processor.read() - before
        return (sample, replies)
    }

    /// One call, whose answer must be its own.
    private func call(_ caller: BenchCaller, _ path: String) async throws -> BenchCaller.Reply {
        let word = EchoScript.word()
        let reply = try await caller.get(path + EchoScript.query(word))
        guard reply.status == 200, reply.body == EchoScript.answer(word) else {
            let body = String(decoding: reply.body.prefix(500), as: UTF8.self)
            throw BenchFailure(
                description: "a call that had to return '\(word)' was answered with \(reply.status) and \(body)")
        }
        return reply
    }
}
