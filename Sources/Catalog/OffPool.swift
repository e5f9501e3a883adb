import Core
import Dispatch
import Synchronization

/// Passwords are hashed here, one at a time: the pool that serves every tenant never waits for one.
private let busy = DispatchQueue(label: "scriptorium.passwords")
private let waiting = Mutex(0)
private let mostWaiting = 64

/// Runs work that keeps a core busy for many milliseconds away from the cooperative pool.
/// - Throws: ``ServiceError`` 503 where too many wait already; what `work` throws.
func offPool<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
    let admitted = waiting.withLock { count in
        guard count < mostWaiting else { return false }
        count += 1
        return true
    }
    guard admitted else {
        throw ServiceError(503, "Too many sign-ins at the moment. Try again in a few seconds.", retryAfter: 5)
    }
    defer { waiting.withLock { $0 -= 1 } }
    return try await withCheckedThrowingContinuation { continuation in
        busy.async { continuation.resume(with: Result { try work() }) }
    }
}
