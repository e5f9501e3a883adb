import Core
import Logging

/// The zygotes of one language, and the children that they have forked ahead. A zygote that dies is replaced.
@PollThread
final class ZygotePool: ProcessPool {
    let interpreter: Interpreter
    private let forksPerZygote: Int
    private let sparesPerZygote: Int
    private let logger: Logger
    private var zygotes: [Zygote] = []
    /// Children that wait for a job, or are on their way there, the oldest first.
    private var spares: [Confined] = []
    /// Rings when a child's state changes.
    let bell = Bell()
    /// Rings when a zygote's state changes.
    private let health = Bell()

    init(_ interpreter: Interpreter, forksPerZygote: Int, sparesPerZygote: Int, logger: Logger) {
        self.interpreter = interpreter
        self.forksPerZygote = forksPerZygote
        self.sparesPerZygote = sparesPerZygote
        self.logger = logger
    }

    func start(_ run: Run) async -> Placement {
        while let index = spares.firstIndex(where: { $0.state == .ready }) {
            let spare = spares.remove(at: index)
            let hasStarted = await spare.start(run)
            // Not before: somebody waits for this one, and for its successor nobody yet.
            replenish()
            if hasStarted { return .done }
        }
        replenish()
        // Whoever waits gets one of their own, and does not wait for the next that somebody else leaves.
        while spares.count(where: { $0.state == .starting }) <= bell.count, fork() {}
        return .noneFree
    }

    func warmUp(within time: Duration) async -> String? {
        do throws(ExecutionError) {
            let zygote = try Zygote(interpreter, mostForks: forksPerZygote, bell: health)
            guard await isReady(zygote, within: time) else {
                return zygote.lastErrorLine ?? "its harness was not ready after \(time.inSeconds)"
            }
            zygotes.append(zygote)
            // A zygote that lives and a child that does not are of no use.
            guard let first = try zygote.fork(bell: bell) else { return "it can not fork" }
            let clock = ContinuousClock()
            let deadline = clock.now + time
            while first.state == .starting, clock.now < deadline, !Task.isCancelled {
                await bell.wait(atMost: deadline - clock.now)
            }
            guard first.state == .ready else {
                zygote.stop()
                zygotes = []
                return first.lastErrorLine ?? zygote.lastErrorLine ?? "its first child was not ready"
            }
            spares.append(first)
            return nil
        } catch {
            return error.description
        }
    }

    func keep(_ count: Int) async {
        await withDiscardingTaskGroup { group in
            for place in 0..<count {
                group.addTask { await self.keepOne(zygotes: place) }
            }
        }
    }

    /// Has as many children ready as are wanted.
    private func replenish() {
        spares.removeAll { $0.state == .ended }
        while spares.count < zygotes.count * sparesPerZygote, fork() {}
    }

    /// Has one child forked, by each zygote in its turn.
    private func fork() -> Bool {
        guard let index = zygotes.firstIndex(where: { $0.state == .ready }) else { return false }
        let zygote = zygotes.remove(at: index)
        zygotes.append(zygote)
        guard let next = try? zygote.fork(bell: bell) else { return false }
        spares.append(next)
        return true
    }

    /// Keeps one place filled; the first is filled already by ``warmUp(within:)``.
    private func keepOne(zygotes place: Int) async {
        var mine = place == 0 ? zygotes.first : nil
        var backoff = Backoff()
        while !Task.isCancelled {
            if mine == nil { mine = try? Zygote(interpreter, mostForks: forksPerZygote, bell: health) }
            if let zygote = mine, await isReady(zygote, within: .seconds(30)) {
                if !zygotes.contains(where: { $0 === zygote }) { zygotes.append(zygote) }
                replenish()
                bell.ring()
                backoff = Backoff()
                while zygote.state == .ready, !Task.isCancelled { await health.wait(atMost: .seconds(3600)) }
                zygotes.removeAll { $0 === zygote }
                if let fault = zygote.fault {
                    logger.error(
                        "a zygote was killed and is replaced",
                        metadata: ["language": "\(interpreter.language.rawValue)", "reason": "\(fault)"])
                }
            } else if !Task.isCancelled {
                logger.warning(
                    "a zygote has not started",
                    metadata: [
                        "language": "\(interpreter.language.rawValue)", "reason": "\(mine?.lastErrorLine ?? "unknown")",
                    ])
                await health.wait(atMost: backoff.next())
            }
            mine = nil
        }
    }

    private func isReady(_ zygote: Zygote, within time: Duration) async -> Bool {
        let clock = ContinuousClock()
        let deadline = clock.now + time
        while zygote.state == .starting, clock.now < deadline, !Task.isCancelled {
            await health.wait(atMost: deadline - clock.now)
        }
        if zygote.state != .ready { zygote.stop() }
        return zygote.state == .ready
    }
}
