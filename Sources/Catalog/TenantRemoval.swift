import Core
import Database
import Logging

extension Catalog {
    /// How many rows of a deleted tenant go in one transaction.
    private static let batch: Int32 = 2000

    /// Ends a tenant: its keys and sessions stop, its name is free, and the key that opens its data is gone. The data
    /// itself is dropped within minutes, in batches. False where there is no such tenant.
    public func deleteTenant(named name: TenantName) async throws -> Bool {
        let id: TenantID? = try await database.system.transaction { sql in
            guard let row = try sql.query(SystemStatements.lockTenant, name.text).first else { return nil }
            let record = try TenantRecord(row)
            try sql.execute(SystemStatements.forgetKeys, record.id.rawValue)
            try sql.execute(SystemStatements.endTenant, record.id.rawValue)
            return record.id
        }
        guard let id else { return false }
        await changed(id)
        return true
    }

    /// Drops what deleted tenants have left, until the task is cancelled. Every process does it, each at its own time.
    func dropEndedTenants() async {
        while !Task.isCancelled {
            do {
                for tenant in try await endedTenants() { try await drop(tenant) }
            } catch {
                logger.debug("deleted tenants not dropped", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: .milliseconds(Int64.random(in: 8000...12000)))
        }
    }

    private func endedTenants() async throws -> [Int64] {
        try await database.system.read { sql in
            try sql.query(SystemStatements.endedTenants).map { try $0.decode(Int64.self) }
        }
    }

    private func drop(_ tenant: Int64) async throws {
        var gone: Int64 = 0
        repeat {
            // Most tables have no index by tenant: a large day is read as a whole.
            let rows = try await database.system.execute(
                SystemStatements.dropTenant, [tenant, Self.batch], limit: .seconds(600))
            gone = try rows.first?.decode(Int64.self) ?? 0
            // A table is through, and what waits or runs comes first: its scripts end now, and not at their limits.
            if gone > 0, gone < Self.batch { _ = try await database.system.execute(SystemStatements.stopRuns) }
        } while gone > 0 && !Task.isCancelled
    }
}
