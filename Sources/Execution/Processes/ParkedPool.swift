import Core
import Logging

/// The parked processes of one language. One that is given a job is replaced in the background.
@PollThread
final class ParkedPool: ProcessPool {
    /// Rings when a process's state changes or one is taken.
    let bell = Bell()

    let interpreter: Interpreter
    private let reuse: ReusePool
    private let logger: Logger
    /// Those that start or are ready.
    private var parked: [Confined] = []

    init(_ interpreter: Interpreter, reuse: ReuseRules, logger: Logger) {
        self.interpreter = interpreter
        self.reuse = ReusePool(reuse, bell: bell)
        self.logger = logger
    }

    func start(_ run: Run) async -> Placement {
        if let key = run.reuse {
            while let process = reuse.take(key) {
                if await process.start(run) { return .done }
            }
        }
        guard let index = parked.firstIndex(where: { $0.state == .ready }) else { return .noneFree }
        let process = parked.remove(at: index)
        let hasStarted = await process.start(run, keptIn: reuse)
        // Not before: somebody waits for this one, and for its successor nobody yet.
        bell.ring()
        return hasStarted ? .done : .processLost
    }

    func warmUp(within time: Duration) async -> String? {
        do throws(ExecutionError) {
            let first = try park()
            let clock = ContinuousClock()
            let deadline = clock.now + time
            while first.state == .starting, clock.now < deadline, !Task.isCancelled {
                await bell.wait(atMost: deadline - clock.now)
            }
            guard first.state == .ready else {
                first.kill()
                return first.lastErrorLine ?? "its harness was not ready after \(time.inSeconds)"
            }
            parked.append(first)
            return nil
        } catch {
            return error.description
        }
    }

    func keep(_ count: Int) async {
        var backoff = Backoff()
        while !Task.isCancelled {
            let failed = parked.filter { $0.state == .ended }
            parked.removeAll { $0.state == .ended }
            if let failed = failed.first {
                logger.warning(
                    "a parked process has ended before its job",
                    metadata: [
                        "language": "\(interpreter.language.rawValue)",
                        "reason": "\(failed.lastErrorLine ?? "unknown")",
                    ])
                try? await Task.sleep(for: backoff.next())
            } else if parked.contains(where: { $0.state == .ready }) {
                backoff = Backoff()
            }
            while parked.count < count, !Task.isCancelled, let next = try? park() {
                parked.append(next)
            }
            await bell.wait(atMost: parked.count < count ? backoff.next() : .seconds(3600))
        }
    }

    /// Starts a process.
    private func park() throws(ExecutionError) -> Confined {
        let interpreter = interpreter
        let process = try Confined(
            interpreter.language, interpreter.sandbox, bell: bell, parent: { [pid = interpreter.cell.pid] in pid }
        ) { ends in
            // Its init tells of its end. Where there is none yet, the channels' end does.
            _ = interpreter.startHarness(ends) { _ in }
        }
        StartMetrics.started(interpreter.language, "parked")
        return process
    }
}
