import Core
import Database

extension Catalog {
    /// What this process's secret keys open of the data keys of the installation's tenants.
    public struct KeyTrial: Sendable {
        public var opened = 0
        /// The tenants whose keys stay closed, the oldest first.
        public var closed: [TenantID] = []

        /// Whether nothing that is stored can be read: another installation's key, or a lost one.
        public var isHopeless: Bool { opened == 0 && !closed.isEmpty }
    }

    /// Tries this process's keys on the thousand oldest tenants. Without a tenant there is nothing to try.
    /// - Throws: `DatabaseError`
    public func tryKeys() async throws -> KeyTrial {
        var trial = KeyTrial()
        for row in try await database.system.read({ try $0.query(SystemStatements.dataKeys) }) {
            let (tenant, wrapped) = try row.decode(Int64.self, [UInt8].self)
            if (try? keyRing.unwrap(wrapped)) != nil {
                trial.opened += 1
            } else {
                trial.closed.append(TenantID(rawValue: tenant))
            }
        }
        return trial
    }
}
