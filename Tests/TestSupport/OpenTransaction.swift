import Database
import Dispatch
import Synchronization

/// A transaction that takes one step after the other as it is told to, and stays open until it is told to end.
public final class OpenTransaction: Sendable {
    /// The server's process of the session.
    public let process: Int32
    private let database: Database
    private let steps: Steps
    private let work: Task<Void, any Error>

    private static let session = Statement("open_transaction", "select pg_backend_pid()")
    private static let limitWaiting = Statement("open_transaction_limit", "set local lock_timeout = '30s'")
    private static let blocked = Statement(
        "open_transaction_blocked", "select cardinality(pg_blocking_pids($1::integer)) > 0")

    /// Returns when the transaction is open.
    /// - Parameter limit: how long it may be open.
    public init(_ database: Database, limit: Duration = .seconds(120)) async throws {
        let steps = Steps()
        let work = Task {
            defer { steps.close() }
            try await database.system.transaction(limit: limit) { sql in
                // The thread is the connection's own.
                while case .run(let body, _) = steps.next() { try body(sql) }
                if steps.isUndone { throw CancellationError() }
            }
        }
        self.database = database
        self.steps = steps
        self.work = work
        process = try await Step(steps) { sql in
            try sql.execute(Self.limitWaiting)
            return try sql.query(Self.session).first?.decode(Int32.self) ?? 0
        }.value
    }

    deinit { steps.end(undone: true) }

    /// Takes a step, which must not have to wait for a lock for long.
    /// - Throws: what the body throws. The transaction has ended then.
    public func run<T: Sendable>(_ body: @escaping @Sendable (borrowing SQLSession) throws -> T) async throws -> T {
        try await Step(steps, body).value
    }

    /// Takes a step, and returns when it is taken or waits for a lock that another transaction has.
    public func start<T: Sendable>(
        _ body: @escaping @Sendable (borrowing SQLSession) throws -> T
    ) async throws -> Step<T> {
        let step = Step(steps, body)
        try await eventually("a step is taken, or waits") {
            if step.hasEnded { return true }
            return try await isBlocked()
        }
        return step
    }

    private func isBlocked() async throws -> Bool {
        try await database.system.read { [process] sql in
            try sql.query(Self.blocked, process).first?.decode(Bool.self) ?? false
        }
    }

    public func commit() async throws {
        steps.end(undone: false)
        try await work.value
    }

    public func rollBack() async {
        steps.end(undone: true)
        _ = await work.result
    }

    /// One step of a transaction, which may still wait.
    public final class Step<T: Sendable>: Sendable {
        private let result: Task<T, any Error>
        private let ended: Flag

        private final class Flag: Sendable {
            let isSet = Atomic(false)
        }

        fileprivate init(_ steps: Steps, _ body: @escaping @Sendable (borrowing SQLSession) throws -> T) {
            let ended = Flag()
            self.ended = ended
            // A step is taken whether somebody waits for it or not.
            result = Task {
                defer { ended.isSet.store(true, ordering: .releasing) }
                return try await withCheckedThrowingContinuation { continuation in
                    steps.add(
                        .run(
                            { sql in
                                do {
                                    let value = try body(sql)
                                    continuation.resume(returning: value)
                                } catch {
                                    continuation.resume(throwing: error)
                                    throw error
                                }
                            }, fail: { continuation.resume(throwing: $0) }))
                }
            }
        }

        /// Whether it is taken, or has failed.
        public var hasEnded: Bool { ended.isSet.load(ordering: .acquiring) }

        public var value: T {
            get async throws { try await result.value }
        }
    }
}

private enum Order: Sendable {
    case run(@Sendable (borrowing SQLSession) throws -> Void, fail: @Sendable (any Error) -> Void)
    case end
}

/// What a transaction is told, in order.
private final class Steps: Sendable {
    private struct State {
        var orders: [Order] = []
        var isUndone = false
        var isClosed = false
    }

    private let state = Mutex(State())
    private let there = DispatchSemaphore(value: 0)

    var isUndone: Bool { state.withLock { $0.isUndone } }

    func next() -> Order {
        there.wait()
        return state.withLock { $0.orders.removeFirst() }
    }

    func add(_ order: Order) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.orders.append(order) }
            return state.isClosed
        }
        if isClosed { Self.fail(order) } else { there.signal() }
    }

    func end(undone: Bool) {
        state.withLock { $0.isUndone = $0.isUndone || undone }
        add(.end)
    }

    /// The transaction takes no more steps.
    func close() {
        let left = state.withLock { state in
            state.isClosed = true
            defer { state.orders = [] }
            return state.orders
        }
        left.forEach(Self.fail)
    }

    private static func fail(_ order: Order) {
        if case .run(_, let fail) = order { fail(NeverHappened(description: "the transaction had ended before")) }
    }
}
