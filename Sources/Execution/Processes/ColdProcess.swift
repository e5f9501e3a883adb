import Core

/// A process that is started for one run alone, in the same sandbox: what zygotes and parked processes are measured against.
@PollThread
enum ColdProcess {
    /// Starts one and gives it the run.
    static func start(_ interpreter: Interpreter, _ run: Run) async {
        do throws(ExecutionError) {
            let bell = Bell()
            let process = try Confined(
                interpreter.language, interpreter.sandbox, bell: bell, parent: { [pid = interpreter.cell.pid] in pid }
            ) { ends in
                _ = interpreter.startHarness(once: true, ends) { _ in }
            }
            while process.state == .starting, !Task.isCancelled { await bell.wait(atMost: .seconds(30)) }
            guard await process.start(run) else {
                process.kill()
                return run.lose(process.lastErrorLine ?? "the process was not ready")
            }
        } catch {
            run.lose(error.description)
        }
    }
}
