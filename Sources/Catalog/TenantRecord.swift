import Core
import Database

/// A tenant as its operator sees it.
public struct TenantRecord: Sendable {
    public let id: TenantID
    public let name: String
    public var label: String
    public var suspended: Bool
    /// An object of the quotas that differ from the defaults.
    public var quotas: JSONText
    public let createdAt: Timestamp

    init(_ row: Row) throws {
        let (id, name, label, suspended, quotas, createdAt) = try row.decode(
            Int64.self, String.self, String.self, Bool.self, String.self, Timestamp.self)
        self.id = TenantID(rawValue: id)
        self.name = name
        self.label = label
        self.suspended = suspended
        self.quotas = JSONText(trusted: quotas)
        self.createdAt = createdAt
    }
}

extension Catalog {
    /// Tenants in the order in which they were made.
    /// - Parameter id: those made after this one.
    public func tenants(after id: TenantID, limit: Int) async throws -> [TenantRecord] {
        try await database.system.read { sql in
            try sql.query(SystemStatements.tenants, id.rawValue, Int64(limit)).map(TenantRecord.init)
        }
    }

    /// The tenant of this name; nil where there is none.
    public func tenantRecord(named name: TenantName) async throws -> TenantRecord? {
        try await database.system.read { sql in
            try sql.query(SystemStatements.tenantRecord, name.text).first.map(TenantRecord.init)
        }
    }

    /// Writes what the operator may change of a tenant; nil where there is none.
    /// - Parameter change: makes the new record from the one that is stored, while nobody else can change it.
    public func changeTenant(
        named name: TenantName, _ change: @escaping @Sendable (TenantRecord) throws -> TenantRecord
    ) async throws -> TenantRecord? {
        let changed: TenantRecord? = try await database.system.transaction { sql in
            guard let row = try sql.query(SystemStatements.lockTenant, name.text).first else { return nil }
            let record = try change(TenantRecord(row))
            try sql.execute(
                SystemStatements.changeTenant, record.id.rawValue, record.label, record.suspended, record.quotas.text)
            return record
        }
        if let changed { await self.changed(changed.id) }
        return changed
    }
}
