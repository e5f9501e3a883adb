import Core
import Database
import JobQueue

/// Whether the process can serve. Anybody may ask, as often as they like: the database is looked at once a second at most.
actor Readiness {
    private let migrator: Migrator
    private let queue: JobQueue
    private let clock = ContinuousClock()
    private var looked: (at: ContinuousClock.Instant, reason: String?)?
    private var look: Task<String?, Never>?

    init(migrator: Migrator, queue: JobQueue) {
        self.migrator = migrator
        self.queue = queue
    }

    /// Why the process can not serve; nil where it can.
    func problem() async -> String? {
        if let looked, looked.at.duration(to: clock.now) < .seconds(1) { return looked.reason }
        // One look at a time; it is awaited by all who ask meanwhile.
        let task = look ?? Task { [migrator, queue] in await Self.look(migrator, queue) }
        look = task
        let reason = await task.value
        if look == task {
            look = nil
            looked = (clock.now, reason)
        }
        return reason
    }

    private static func look(_ migrator: Migrator, _ queue: JobQueue) async -> String? {
        do {
            if let missing = try await migrator.status().first(where: { $0.appliedAt == nil }) {
                return "migration \(missing.number) is not applied: run 'scriptorium migrate'"
            }
            let skew = try await queue.clockSkew { Timestamp.now.microseconds }
            if skew > JobQueue.clockTolerance || skew < .zero - JobQueue.clockTolerance {
                return "this machine's clock is more than a minute off the database's"
            }
            return nil
        } catch {
            return "the database can not be reached"
        }
    }
}
