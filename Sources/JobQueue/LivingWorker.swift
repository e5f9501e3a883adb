import Core
import Database

/// A worker whose lease holds.
public struct LivingWorker: Sendable {
    /// Host and process id.
    public let name: String
    public let slots: Int
    /// How well it contained scripts when it was registered.
    public let tier: SandboxTier
}

extension JobQueue {
    /// The workers that live, by their names.
    /// - Throws: `DatabaseError`.
    public func workers() async throws -> [LivingWorker] {
        try await database.system.read { sql in
            try sql.query(SystemStatements.workers, Double(Self.lease.milliseconds) / 1000)
        }.map { row in
            let (name, slots, tier) = try row.decode(String.self, Int32.self, Int16.self)
            return LivingWorker(name: name, slots: Int(slots), tier: SandboxTier(number: tier))
        }
    }
}

extension SandboxTier {
    /// The number in the queue's tables.
    var number: Int16 { Int16(rank) }

    /// What a number stands for. One above all that are known is read as the highest known.
    init(number: Int16) {
        self = Self.allCases.last { $0.number <= number } ?? .none
    }
}
