import Core
import Database
import Synchronization
import TestSupport
import Testing

@Suite struct BatcherTests {
    /// Writes numbers into a table; at the last, -1 breaks its check.
    private static let insert = Statement(
        "numbers", "insert into number (value) select * from unnest($1::int8[]) returning value * 2")

    private struct Sizes: Sendable {
        private final class Box: Sendable { let sizes = Mutex<[Int]>([]) }
        private let box = Box()
        func note(_ size: Int) { box.sizes.withLock { $0.append(size) } }
        var all: [Int] { box.sizes.withLock { $0 } }
    }

    private func numbers() async throws -> Database {
        let database = try await openDatabase(connections: 2)
        _ = try await database.system.execute(
            Statement("number_table", "create table number (value int8 check (value >= 0))"))
        return database
    }

    private func batcher(_ database: Database, maxItems: Int = 1000, sizes: Sizes) -> Batcher<Int, Int> {
        Batcher(maxItems: maxItems, size: { _ in 8 }) { items in
            sizes.note(items.count)
            return try await database.system.execute(Self.insert, [SQLArray(items)]).map { try $0.decode(Int.self) }
        }
    }

    @Test func eachCallerGetsItsOwnOutput() async throws {
        let database = try await numbers()
        let sizes = Sizes()
        let batcher = batcher(database, maxItems: 100, sizes: sizes)
        try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for number in 0..<1000 { group.addTask { (number, try await batcher.submit(number)) } }
            for try await (number, output) in group { #expect(output == number * 2) }
        }
        #expect(sizes.all.reduce(0, +) == 1000)
        #expect(sizes.all.count < 500, "items were gathered")
        #expect(sizes.all.allSatisfy { $0 <= 100 })
        await database.close()
    }

    @Test func oneBadRowFailsAlone() async throws {
        let database = try await numbers()
        let batcher = batcher(database, sizes: Sizes())
        let failures = await withTaskGroup(of: (Int, Result<Int, any Error>).self) { group in
            for number in 0..<200 {
                group.addTask {
                    let item = number == 77 ? -1 : number
                    do { return (number, .success(try await batcher.submit(item))) } catch {
                        return (number, .failure(error))
                    }
                }
            }
            var failures: [(Int, any Error)] = []
            for await (number, result) in group {
                switch result {
                case .success(let output): #expect(output == number * 2)
                case .failure(let error): failures.append((number, error))
                }
            }
            return failures
        }
        #expect(failures.map(\.0) == [77])
        #expect((failures.first?.1 as? DatabaseError)?.code == .checkViolation)
        let count = Statement("number_count", "select count(*) from number")
        #expect(try await database.system.execute(count).first?.decode(Int.self) == 199)
        await database.close()
    }

    /// A flush that stands still until it is told to go on.
    private func held(
        _ gate: Gate, sizes: Sizes, maxBytes: Int = 1000, maxWaiting: Int = 100
    ) -> Batcher<Int, Int> {
        Batcher(maxItems: 10, maxBytes: maxBytes, lanes: 1, maxWaiting: maxWaiting, size: { $0 }) { items in
            sizes.note(items.count)
            try await eventually("the gate opens") { gate.isOpen }
            try Task.checkCancellation()
            return items
        }
    }

    @Test func aCancelledLeaderTakesNobodyAlong() async throws {
        let (gate, sizes) = (Gate(), Sizes())
        let batcher = held(gate, sizes: sizes)
        let first = Task { try await batcher.submit(1) }
        try await eventually("the first flush runs") { sizes.all == [1] }
        let second = Task { try await batcher.submit(2) }
        let third = Task { try await batcher.submit(3) }
        first.cancel()
        gate.open()
        #expect(try await first.value == 1)
        #expect(try await second.value == 2)
        #expect(try await third.value == 3)
    }

    @Test func aCancelledWaiterTakesItsItemBack() async throws {
        let (gate, sizes) = (Gate(), Sizes())
        let batcher = held(gate, sizes: sizes, maxWaiting: 1)
        let first = Task { try await batcher.submit(1) }
        try await eventually("the first flush runs") { sizes.all == [1] }
        let second = Task { try await batcher.submit(2) }
        try await eventually("the second waits") { batcher.waitingItems == 1 }
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        gate.open()
        #expect(try await first.value == 1)
        #expect(try await batcher.submit(4) == 4)
        #expect(sizes.all == [1, 1])
    }

    @Test func aBatchClosesAtItsBytes() async throws {
        let (gate, sizes) = (Gate(), Sizes())
        let batcher = held(gate, sizes: sizes, maxBytes: 100)
        let first = Task { try await batcher.submit(1) }
        try await eventually("the first flush runs") { sizes.all == [1] }
        let others = [60, 60, 500].map { size in Task { try await batcher.submit(size) } }
        gate.open()
        for task in others { _ = try await task.value }
        _ = try await first.value
        #expect(sizes.all == [1, 1, 1, 1])
    }

    @Test func aLostDatabaseFailsTheBatchAsAWhole() async throws {
        let (gate, sizes) = (Gate(), Sizes())
        let batcher = Batcher<Int, Int>(lanes: 1, size: { _ in 1 }) { items in
            sizes.note(items.count)
            if sizes.all.count == 1 {
                try await eventually("the gate is open") { gate.isOpen }
                return items
            }
            throw DatabaseError(.unavailable, "away")
        }
        let first = Task { try await batcher.submit(0) }
        try await eventually("the first flush runs") { sizes.all == [1] }
        await withTaskGroup(of: Void.self) { group in
            for number in 1..<50 {
                group.addTask { await #expect(throws: DatabaseError.self) { try await batcher.submit(number) } }
            }
            gate.open()
        }
        #expect(try await first.value == 0)
        // Halved, the items of a failed batch would be counted again.
        #expect(sizes.all.reduce(0, +) <= 50)
    }

    @Test func whoGathersBehindALostDatabaseIsRefusedWithIt() async throws {
        let (gate, sizes) = (Gate(), Sizes())
        let batcher = Batcher<Int, Int>(maxItems: 1, lanes: 1, size: { _ in 1 }) { items in
            sizes.note(items.count)
            try await eventually("the gate is open") { gate.isOpen }
            throw DatabaseError(.connectionLost, "away")
        }
        let tasks = (0..<50).map { number in Task { try await batcher.submit(number) } }
        try await eventually("all have come") { batcher.waitingItems == 49 }
        gate.open()
        for task in tasks {
            await #expect(throws: DatabaseError.self) { try await task.value }
        }
        #expect(sizes.all == [1])
    }
}
