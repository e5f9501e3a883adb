import Synchronization

/// How many bytes several answers may hold together while they arrive.
public final class ByteAllowance: Sendable {
    private let left: Atomic<Int>

    public init(_ bytes: Int) { left = Atomic(bytes) }

    /// Takes from it; nothing where there is not enough left.
    func take(_ count: Int) -> Bool {
        if left.subtract(count, ordering: .relaxed).newValue >= 0 { return true }
        give(count)
        return false
    }

    func give(_ count: Int) { left.add(count, ordering: .relaxed) }
}
