import Synchronization

/// A number that several tasks count up.
final class Tally: Sendable {
    private let count = Atomic(0)

    var value: Int { count.load(ordering: .relaxed) }

    /// Counts, and gives what it was before.
    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).oldValue }
}
