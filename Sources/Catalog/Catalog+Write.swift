import Core
import Database

extension Catalog {
    /// One change of a tenant's records: done as a whole or not at all, and known here when this returns.
    func write<T: Sendable>(
        _ tenant: TenantID, _ body: @escaping @Sendable (borrowing SQLSession, SecretKeyRing) throws -> T
    ) async throws -> T {
        let result = try await database.tenant(tenant).transaction { [keyRing] sql in try body(sql, keyRing) }
        await changed(tenant)
        return result
    }
}

/// What the database refuses of a record that has a name, said with that name.
struct NamedRecordFaults {
    /// Such as `An app`.
    let kind: String
    /// What is wrong where something that the record refers to does not exist.
    let reference: String

    static let lookupTaken = ServiceError.badRequest("A lookup of this name exists already. Choose another name.")

    /// Runs the statements for one record.
    /// - Throws: ``ServiceError`` 400 for what they violate; what they throw.
    func explaining<T>(_ name: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            switch error.code {
            case .uniqueViolation where error.constraint?.hasPrefix("lookup") == true: throw Self.lookupTaken
            case .uniqueViolation:
                throw ServiceError.badRequest("\(kind) named '\(name)' exists already. Choose another name.")
            case .foreignKeyViolation: throw ServiceError.badRequest(reference)
            default: throw error
            }
        }
    }
}
