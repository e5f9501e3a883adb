import Core
import Synchronization

/// Passwords that were right a few minutes ago: who sends one with every call is not made to wait for its hash each time.
/// What is kept is worth nothing outside this process, and a new password of the account makes it worth nothing here.
final class RecentPasswords: Sendable {
    private let secret = RandomSecret.hex(bytes: 32)
    private let clock = ContinuousClock()
    private let seen = Mutex([[UInt8]: ContinuousClock.Instant]())

    private static let lifetime = Duration.seconds(300)
    private static let most = 10_000

    /// Whether `password` was right for this stored hash a short while ago.
    func knows(_ password: String, for hash: String) -> Bool {
        let now = clock.now
        return seen.withLock { $0[digest(password, hash)].map { now < $0 } ?? false }
    }

    func remember(_ password: String, for hash: String) {
        let end = clock.now + Self.lifetime
        seen.withLock { seen in
            if seen.count >= Self.most { seen.removeAll() }
            seen[digest(password, hash)] = end
        }
    }

    /// The stored hash has a salt of its own, so no two accounts share a digest.
    private func digest(_ password: String, _ hash: String) -> [UInt8] { sha256("\(secret) \(hash) \(password)") }
}
