import Synchronization

/// Gathers single items into batches by itself: while flushes are in flight the next batch gathers, so an item waits only as
/// long as the database is busy anyway, and the busier it is, the larger the batches.
///
/// It has no task of its own. The first submitter who finds a free lane flushes; when it is done it hands the lane, with all
/// that has gathered, to the first who waits.
public final class Batcher<Item: Sendable, Output: Sendable>: Sendable {
    fileprivate enum Turn {
        case done(Output)
        /// Flush these; the first is your own.
        case lead([Passenger])
    }

    fileprivate struct Passenger {
        let item: Item
        let size: Int
        /// Nil for the one who leads.
        var caller: CheckedContinuation<Turn, any Error>?
    }

    fileprivate struct State {
        var freeLanes: Int
        var order = Queue<UInt64>()
        var waiting: [UInt64: Passenger] = [:]
        var waitingBytes = 0
        var nextID: UInt64 = 0
    }

    private let maxItems: Int
    private let maxBytes: Int
    private let maxWaiting: Int
    private let maxWaitingBytes: Int
    private let size: @Sendable (Item) -> Int
    private let flush: @Sendable ([Item]) async throws -> [Output]
    private let state: Mutex<State>

    /// - Parameters:
    ///   - maxItems: at which a batch closes.
    ///   - maxBytes: at which a batch closes; a larger item goes alone.
    ///   - lanes: how many flushes may be in flight.
    ///   - maxWaiting: how many items may wait; more are refused.
    ///   - maxWaitingBytes: how many bytes may wait; more are refused.
    ///   - size: of an item, in bytes.
    ///   - flush: writes a batch as a whole or not at all, and gives one output for each item, in their order.
    public init(
        maxItems: Int = 1000, maxBytes: Int = 4 << 20, lanes: Int = 2, maxWaiting: Int = 100_000,
        maxWaitingBytes: Int = 256 << 20, size: @escaping @Sendable (Item) -> Int,
        flush: @escaping @Sendable ([Item]) async throws -> [Output]
    ) {
        self.maxItems = maxItems
        self.maxBytes = maxBytes
        self.maxWaiting = maxWaiting
        self.maxWaitingBytes = maxWaitingBytes
        self.size = size
        self.flush = flush
        state = Mutex(State(freeLanes: lanes))
    }

    /// How many items wait for the next batch.
    public var waitingItems: Int { state.withLock { $0.waiting.count } }

    /// Returns when the batch with this item is written.
    ///
    /// A cancelled caller whose item still waits takes it back; once it is in a batch its outcome is awaited.
    /// - Throws: what `flush` throws for this item; `DatabaseError.Code.unavailable` when too much waits.
    public func submit(_ item: Item) async throws -> Output {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let turn = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { caller in enter(id, item, caller) }
        } onCancel: {
            takeBack(id)
        }
        switch turn {
        case .done(let output): return output
        // The items of others are in this batch: our own cancellation must not reach them, so the task is not ours. It is
        // awaited at once.
        case .lead(let batch): return try await Task { await lead(batch) }.value.get()
        }
    }

    private func enter(_ id: UInt64, _ item: Item, _ caller: CheckedContinuation<Turn, any Error>) {
        let passenger = Passenger(item: item, size: size(item), caller: caller)
        let answer: Result<Turn, any Error>? = state.withLock { state in
            // Under the lock, so that a cancellation that came before was either seen here or finds the item.
            if Task.isCancelled { return .failure(CancellationError()) }
            if state.freeLanes > 0 {
                state.freeLanes -= 1
                return .success(.lead([passenger]))
            }
            if state.waiting.count >= maxWaiting || state.waitingBytes + passenger.size > maxWaitingBytes {
                return .failure(DatabaseError(.unavailable, "too much waits to be written already"))
            }
            state.order.append(id)
            state.waiting[id] = passenger
            state.waitingBytes += passenger.size
            return nil
        }
        if let answer { caller.resume(with: answer) }
    }

    private func takeBack(_ id: UInt64) {
        let passenger = state.withLock { $0.remove(id) }
        passenger?.caller?.resume(throwing: CancellationError())
    }

    /// Flushes a batch, hands the lane on, and tells everybody.
    private func lead(_ batch: [Passenger]) async -> Result<Output, any Error> {
        let results = await settle(batch.map(\.item)[...])
        let isAway = Self.isAway(results[0])
        let (next, refused) = state.withLock { state in
            // Who has waited through the failure must not wait for the next one: that would add up.
            let refused = isAway ? state.nextBatch(.max, .max) : []
            let next = state.nextBatch(maxItems, maxBytes)
            if next.isEmpty { state.freeLanes += 1 }
            return (next, refused)
        }
        for passenger in refused {
            passenger.caller?.resume(throwing: DatabaseError(.unavailable, "the database does not answer"))
        }
        if let leader = next.first { leader.caller?.resume(returning: .lead(next)) }
        for (passenger, result) in zip(batch, results).dropFirst() {
            passenger.caller?.resume(with: result.map { .done($0) })
        }
        return results[0]
    }

    /// Writes the items. A batch that fails is halved, so that one bad row fails alone.
    private func settle(_ items: ArraySlice<Item>) async -> [Result<Output, any Error>] {
        do {
            let outputs = try await flush(Array(items))
            guard outputs.count == items.count else {
                throw DatabaseError(.protocolMisuse, "\(items.count) items were written, \(outputs.count) came back")
            }
            return outputs.map { .success($0) }
        } catch  where items.count > 1 && Self.mayBeOneItem(error) {
            let middle = items.startIndex + items.count / 2
            return await settle(items[..<middle]) + settle(items[middle...])
        } catch {
            return items.map { _ in .failure(error) }
        }
    }

    private static func isAway(_ result: Result<Output, any Error>) -> Bool {
        guard case .failure(let error as DatabaseError) = result else { return false }
        return [.unavailable, .connectionLost].contains(error.code)
    }

    /// Whether the failure may lie in a single item. Otherwise smaller batches would only fail more often.
    private static func mayBeOneItem(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return !(error is CancellationError) }
        let general: Set<DatabaseError.Code> = [
            .unavailable, .connectionLost, .cancelled, .insufficientPrivilege, .protocolMisuse, .schemaMismatch,
        ]
        // Connection, transaction state, syntax and missing objects, resources, object state, operator, system, internal.
        let generalClasses: Set<Substring> = ["08", "25", "42", "53", "55", "57", "58", "XX"]
        return !general.contains(error.code) && !generalClasses.contains(error.sqlState?.prefix(2) ?? "")
    }
}

extension Batcher.State {
    fileprivate mutating func remove(_ id: UInt64) -> Batcher.Passenger? {
        guard let passenger = waiting.removeValue(forKey: id) else { return nil }
        waitingBytes -= passenger.size
        return passenger
    }

    /// All that waits, as far as it goes into one batch.
    fileprivate mutating func nextBatch(_ maxItems: Int, _ maxBytes: Int) -> [Batcher.Passenger] {
        var batch: [Batcher.Passenger] = []
        var bytes = 0
        while let id = order.first, batch.count < maxItems {
            if let next = waiting[id] {
                guard batch.isEmpty || bytes + next.size <= maxBytes else { break }
                bytes += next.size
                if let passenger = remove(id) { batch.append(passenger) }
            }
            _ = order.popFirst()
        }
        return batch
    }
}
