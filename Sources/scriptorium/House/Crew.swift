import Logging
import ServiceLifecycle

/// The roles of a process as one service: they stop together, so that a worker takes nothing new while the ingress still
/// answers those who wait.
struct Crew: Service {
    /// An ingress, workers, or both.
    let roles: [any Service]
    /// What must go well before they begin; what it throws ends the start.
    let opening: @Sendable () async throws -> Void
    /// How long what runs may go on after a graceful stop began.
    let grace: Duration

    func run() async throws {
        try await opening()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for role in roles {
                group.addTask {
                    try await role.run()
                    return true
                }
            }
            group.addTask {
                // Throws when the crew is cancelled, which ends everything anyway.
                try? await gracefulShutdown()
                // The workers keep the grace themselves; who still waits a little longer is cut off.
                try? await Task.sleep(for: grace + .seconds(2))
                return false
            }
            var working = roles.count
            while working > 0, let hasEnded = try await group.next() {
                guard hasEnded else { break }
                working -= 1
            }
            group.cancelAll()
        }
    }
}

/// Services are logged when they start: this one says no more than what it is.
extension Crew: CustomStringConvertible {
    var description: String { "Crew of \(roles.count)" }
}
