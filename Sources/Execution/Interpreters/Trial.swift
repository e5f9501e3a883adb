import Glibc

/// A short run of an interpreter by itself, without a harness.
@PollThread
final class Trial {
    /// The first line that it printed.
    private(set) var output: String?
    private(set) var lastErrorLine: String?
    var hasSucceeded: Bool { exit?.status == 0 }

    private var exit: Exit?
    private var isOver = false
    private let bell = Bell()

    private init() {}

    /// Runs `interpreter` with `arguments` and waits for its end; kills it after `time`.
    static func run(_ interpreter: Interpreter, _ arguments: [String], within time: Duration) async -> Trial {
        let trial = Trial()
        do throws(ExecutionError) {
            let control = try Descriptor.socketPair(SOCK_STREAM)
            let output = try Descriptor.pipe()
            let error = try Descriptor.pipe()
            let outputPipe = LogPipe(output.ours) { trial.output = trial.output ?? $0 }
            let errorPipe = LogPipe(error.ours) { trial.lastErrorLine = $0.isEmpty ? trial.lastErrorLine : $0 }
            let (id, _) = try interpreter.start(
                arguments, control: control.theirs, output: output.theirs, error: error.theirs
            ) { event in
                switch event {
                case .started: return
                case .failed(let why): trial.lastErrorLine = why
                case .ended(let exit): trial.exit = exit
                case .lost: trial.lastErrorLine = "cell has ended"
                }
                for pipe in [outputPipe, errorPipe] {
                    pipe.readRest()
                    pipe.close()
                }
                trial.isOver = true
                trial.bell.ring()
            }
            let clock = ContinuousClock()
            let deadline = clock.now + time
            while !trial.isOver, clock.now < deadline, !Task.isCancelled {
                await trial.bell.wait(atMost: deadline - clock.now)
            }
            if !trial.isOver {
                trial.lastErrorLine = "it has not ended after \(time.inSeconds)"
                interpreter.cell.kill(id)
            }
        } catch {
            trial.lastErrorLine = error.description
        }
        return trial
    }
}
