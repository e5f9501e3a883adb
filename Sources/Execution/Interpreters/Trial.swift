import CHost
import Glibc

/// A short run of an interpreter by itself, without a harness, or of the sandbox without an interpreter.
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
        await run(interpreter.cell, within: time) { interpreter.start(arguments, $0, $1) }
    }

    /// Tries whether the sandbox can be built.
    static func run(_ cell: Cell, within time: Duration) async -> Trial {
        await run(cell, within: time) { ends, handler in
            cell.start(
                Cell.Order(
                    kind: .probe, arguments: [], environment: [], binds: [], frames: ends.frames, output: ends.output,
                    error: ends.error, control: ends.control ?? ends.error), handler)
        }
    }

    private static func run(
        _ cell: Cell, within time: Duration,
        _ start: (Interpreter.Ends, @escaping @PollThread (Cell.Event) -> Void) -> UInt32
    ) async -> Trial {
        let trial = Trial()
        do throws(ExecutionError) {
            let frames = try Descriptor.socketPair(SOCK_STREAM)
            let output = try Descriptor.pipe()
            let error = try Descriptor.pipe()
            let control = try Descriptor.socketPair(SOCK_SEQPACKET)
            let outputPipe = LogPipe(output.ours) { trial.output = trial.output ?? $0 }
            let errorPipe = LogPipe(error.ours) { trial.lastErrorLine = $0.isEmpty ? trial.lastErrorLine : $0 }
            let warden = Warden(control.ours, cell.sandbox) { [pid = cell.pid] in pid }
            warden.onEvent = { event in
                switch event {
                case .greeted: return warden.admit()
                case .ended(let exit): trial.exit = exit
                case .forged, .gone: break
                }
            }
            let ends = Interpreter.Ends(
                frames: frames.theirs, output: output.theirs, error: error.theirs, control: control.theirs)
            let id = start(ends) { event in
                switch event {
                case .started: return
                case .failed(let why): trial.lastErrorLine = why
                case .ended: break
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
                cell.kill(id)
            }
            // What it said last may still be on its way here.
            warden.readRest()
        } catch {
            trial.lastErrorLine = error.description
        }
        return trial
    }
}
