import Core
import Logging

/// The zygotes of one language. One that dies is replaced.
@PollThread
final class ZygotePool: ProcessPool {
    private let interpreter: Interpreter
    private let forksPerZygote: Int
    private let logger: Logger
    private var zygotes: [Zygote] = []
    /// Rings when a zygote's state changes.
    let bell = Bell()

    init(_ interpreter: Interpreter, forksPerZygote: Int, logger: Logger) {
        self.interpreter = interpreter
        self.forksPerZygote = forksPerZygote
        self.logger = logger
    }

    func start(_ run: Run) async -> Placement {
        guard let zygote = zygotes.filter({ $0.state == .ready }).min(by: { $0.load < $1.load }) else {
            return .noneFree
        }
        if await zygote.start(run) { return .done }
        // One that lives and can not fork may do so at another moment.
        return zygote.state == .ready ? .noneFree : .processLost
    }

    func warmUp(within time: Duration) async -> String? {
        do throws(ExecutionError) {
            let zygote = try Zygote(interpreter, mostForks: forksPerZygote, bell: bell)
            guard await isReady(zygote, within: time) else {
                return zygote.lastErrorLine ?? "its harness was not ready after \(time.inSeconds)"
            }
            zygotes.append(zygote)
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

    /// Keeps one place filled; the first is filled already by ``warmUp(within:)``.
    private func keepOne(zygotes place: Int) async {
        var mine = place == 0 ? zygotes.first : nil
        var backoff = Backoff()
        while !Task.isCancelled {
            if mine == nil { mine = try? Zygote(interpreter, mostForks: forksPerZygote, bell: bell) }
            if let zygote = mine, await isReady(zygote, within: .seconds(30)) {
                if !zygotes.contains(where: { $0 === zygote }) { zygotes.append(zygote) }
                bell.ring()
                backoff = Backoff()
                while zygote.state == .ready, !Task.isCancelled { await bell.wait(atMost: .seconds(3600)) }
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
                await bell.wait(atMost: backoff.next())
            }
            mine = nil
        }
    }

    private func isReady(_ zygote: Zygote, within time: Duration) async -> Bool {
        let clock = ContinuousClock()
        let deadline = clock.now + time
        while zygote.state == .starting, clock.now < deadline, !Task.isCancelled {
            await bell.wait(atMost: deadline - clock.now)
        }
        if zygote.state != .ready { zygote.stop() }
        return zygote.state == .ready
    }
}
