import Core
import Database
import Logging
import ServiceLifecycle
import Synchronization

/// Those who wait in this process for jobs to end. One LISTEN and one look of the whole process at a time serve them all,
/// however many they are.
public final class JobWaiters: Service, Sendable {
    /// One wait. It begins before its continuation is there, so that no end can slip between the two.
    private enum Wait {
        case begun
        case suspended(CheckedContinuation<StoredResult?, Never>)
        /// Apart, as few are: the room of one is the room of all.
        indirect case delivered(StoredResult)
    }

    /// When a wait ends, whatever has come of it.
    private struct Deadline: Comparable {
        let moment: ContinuousClock.Instant
        let id: JobID
        let token: Int
        static func < (a: Deadline, b: Deadline) -> Bool { (a.moment, a.token) < (b.moment, b.token) }
    }

    private struct State {
        var waits: [Int: Wait] = [:]
        /// Of those who wait for the same job.
        var tokens: [JobID: [Int]] = [:]
        var nextToken = 0
        var deadlines = SortedList<Deadline>()
        /// Rings no later than the first deadline, and earlier where that one's wait has ended.
        var alarm: (moment: ContinuousClock.Instant, task: Task<Void, Never>)?
    }

    /// The number of this process, which its jobs carry.
    public let ingress: Int64
    private let database: Database
    private let listener: Listener
    private let logger: Logger
    private let state = Mutex(State())

    /// The safety net under the notifications.
    private static let sweepInterval = Duration.milliseconds(250)

    init(ingress: Int64, database: Database, listener: Listener, logger: Logger) {
        self.ingress = ingress
        self.database = database
        self.listener = listener
        self.logger = logger
    }

    /// Follows the ends until the service is stopped.
    public func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await cancelWhenGracefulShutdown { await self.follow() }
            }
            // The sweep lasts through a graceful stop, while the last callers still wait.
            group.addTask { await self.sweep() }
            await group.next()
            while !self.state.withLock({ $0.waits.isEmpty }), !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(20))
            }
            group.cancelAll()
        }
    }

    /// The result of a job, as soon as it is there; nil when `limit` passes or the waiting task is cancelled.
    /// - Parameter begin: runs once the wait is set up, so that no end can be missed; what it throws ends the wait.
    public func result(
        of id: JobID, limit: Duration, begin: () async throws -> StoredResult? = { nil }
    ) async throws -> StoredResult? {
        let token = state.withLock { state in
            state.nextToken += 1
            state.waits[state.nextToken] = .begun
            state.tokens[id, default: []].append(state.nextToken)
            return state.nextToken
        }
        // No task of its own waits: there are thousands of waits at the same time.
        defer { forget(id, token) }
        if let found = try await begin() { return found }
        let end = ContinuousClock.now + limit
        alarm(at: end, id, token)
        return await wait(id, token)
    }

    /// Hands a result to those who wait for it.
    func deliver(_ result: StoredResult) {
        let suspended = state.withLock { state in
            var suspended: [CheckedContinuation<StoredResult?, Never>] = []
            for token in state.tokens[result.id] ?? [] {
                if case .suspended(let continuation) = state.waits[token] { suspended.append(continuation) }
                state.waits[token] = .delivered(result)
            }
            return suspended
        }
        for continuation in suspended { continuation.resume(returning: result) }
    }

    /// Suspends until the result is delivered, or the wait is forgotten or cancelled.
    private func wait(_ id: JobID, _ token: Int) async -> StoredResult? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: StoredResult?? = state.withLock { state in
                    switch state.waits[token] {
                    case .begun:
                        state.waits[token] = .suspended(continuation)
                        return nil
                    case .delivered(let result): return .some(result)
                    case .suspended, nil: return .some(nil)
                    }
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            forget(id, token)
        }
    }

    /// Has a wait end at a moment.
    private func alarm(at moment: ContinuousClock.Instant, _ id: JobID, _ token: Int) {
        state.withLock { state in
            state.deadlines.insert(Deadline(moment: moment, id: id, token: token))
            // Those of waits that have ended stay, as long as they are not the most.
            if state.deadlines.count > 64, state.deadlines.count > 2 * state.waits.count {
                state.deadlines.removeAll { [waits = state.waits] in waits[$0.token] == nil }
            }
            setAlarm(&state)
        }
    }

    private func setAlarm(_ state: inout State) {
        guard let first = state.deadlines.first?.moment else { return }
        if let alarm = state.alarm {
            guard first < alarm.moment else { return }
            alarm.task.cancel()
        }
        // One task for all waits, for as long as there are any; it ends by itself.
        let task = Task { [weak self] in
            do {
                try await Task.sleep(until: first, clock: .continuous)
            } catch {
                return  // An earlier one rings.
            }
            self?.ring()
        }
        state.alarm = (first, task)
    }

    private func ring() {
        let late = state.withLock { state in
            let late = state.deadlines.removeAll(upTo: ContinuousClock.now) { $0.moment }
            // It may be another one, where this one began to ring as it was cancelled.
            state.alarm?.task.cancel()
            state.alarm = nil
            setAlarm(&state)
            return late
        }
        for deadline in late { forget(deadline.id, deadline.token) }
    }

    private func forget(_ id: JobID, _ token: Int) {
        let wait = state.withLock { state in
            state.tokens[id]?.removeAll { $0 == token }
            if state.tokens[id]?.isEmpty == true { state.tokens[id] = nil }
            return state.waits.removeValue(forKey: token)
        }
        if case .suspended(let continuation) = wait { continuation.resume(returning: nil) }
    }

    private func follow() async {
        for await event in listener.listen(JobQueue.doneChannel(ingress)) {
            switch event {
            case .connected: continue  // The sweep catches up.
            case .notification(let payload):
                let ids = payload.split(separator: ",").compactMap { JobID(String($0)) }
                await look(for: state.withLock { state in ids.filter { state.tokens[$0] != nil } })
            }
        }
    }

    private func sweep() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.sweepInterval)
            await look(for: state.withLock { Array($0.tokens.keys) })
        }
    }

    private func look(for ids: [JobID]) async {
        for start in stride(from: 0, to: ids.count, by: 1000) {
            let part = Array(ids[start..<min(start + 1000, ids.count)])
            guard let oldest = part.map(\.milliseconds).min() else { return }
            do {
                let rows = try await database.system.execute(
                    SystemStatements.results, [SQLArray(part), JobQueue.partitionStart(oldest)])
                for row in rows { deliver(try StoredResult(row)) }
            } catch {
                // The next sweep looks again; who waits has a limit of its own.
                logger.debug("results not read", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension JobQueue {
    /// How far an ingress's clock may be from the database's.
    public static let clockTolerance = Duration.seconds(60)

    /// The earliest moment at which the database can have accepted a job whose id bears this time.
    static func partitionStart(_ milliseconds: UInt64) -> Timestamp {
        Timestamp(microseconds: Int64(clamping: milliseconds) * 1000 - clockTolerance.microseconds)
    }

    /// The latest such moment.
    static func partitionEnd(_ milliseconds: UInt64) -> Timestamp {
        Timestamp(microseconds: Int64(clamping: milliseconds) * 1000 + clockTolerance.microseconds)
    }
}
