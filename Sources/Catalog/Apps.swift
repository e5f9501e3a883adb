import Core
import Database

/// The apps of a tenant.
public struct Apps: Sendable {
    let tenant: TenantID
    let catalog: Catalog

    static let create = Statement(
        "app_create",
        """
        insert into app (tenant, id, name, description, is_active, key_hash, role)
        values ($1::bigint, next_id($1::bigint), $2::text, $3::text, $4::boolean, $5::bytea, $6::bigint)
        returning id
        """)
    private static let update = Statement(
        "app_update",
        """
        update app set name = $3::text, description = $4::text, is_active = $5::boolean, role = $6::bigint,
            modified_at = now()
        where tenant = $1::bigint and id = $2::bigint
        """)
    private static let lock = Statement(
        "app_lock",
        """
        select name, description, is_active, key_hash, role from app
        where tenant = $1::bigint and id = $2::bigint for update
        """)
    private static let remove = Statement(
        "app_delete", "delete from app where tenant = $1::bigint and id = $2::bigint")

    /// Makes an app and its key.
    /// - Throws: as ``create(_:)-([App])``.
    public func create(_ draft: App) async throws -> (app: App, key: String) { try await create([draft])[0] }

    /// Makes apps and their keys, all or none; the drafts' ids and hashes do not count. A key is given back once: only its
    /// hash is stored.
    /// - Throws: ``ServiceError`` 400 where a name is taken or a role does not exist; `DatabaseError`.
    public func create(_ drafts: [App]) async throws -> [(app: App, key: String)] {
        let made = try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            try drafts.map { draft in
                let key = RandomSecret.apiKey()
                do {
                    let row = try sql.query(
                        Self.create, tenant.rawValue, draft.name, draft.description, draft.isActive, sha256(key),
                        draft.role
                    ).first
                    guard let id = try row?.decode(Int64.self) else {
                        throw ServiceError(500, "The app was not stored.")
                    }
                    var app = draft
                    app.id = id
                    app.keyHash = sha256(key)
                    return (app: app, key: key)
                } catch let error as DatabaseError {
                    throw Self.explained(error, draft.name)
                }
            }
        }
        await catalog.changed(tenant)
        return made
    }

    /// Writes the fields of apps, all or none.
    /// - Parameter changes: for each app's id what makes the new fields from those that are stored, while nobody else can
    ///   change them.
    /// - Throws: ``ServiceError`` 404 with the first id that does not exist, 400 as ``create(_:)-([App])``; what a change throws.
    public func update(
        _ changes: [(id: Int64, change: @Sendable (App) throws -> App)]
    ) async throws -> [App] {
        let apps: [App] = try await explainingConflicts {
            try await catalog.database.tenant(tenant).transaction { [tenant] sql in
                try changes.map { id, change in
                    guard let row = try sql.query(Self.lock, tenant.rawValue, id).first else {
                        throw ServiceError.missingRecord(id)
                    }
                    let (name, description, isActive, keyHash, role) = try row.decode(
                        String.self, String.self, Bool.self, [UInt8].self, Int64?.self)
                    let app = try change(
                        App(
                            id: id, name: name, description: description, isActive: isActive, keyHash: keyHash,
                            role: role))
                    try sql.execute(
                        Self.update, tenant.rawValue, app.id, app.name, app.description, app.isActive, app.role)
                    return app
                }
            }
        }
        await catalog.changed(tenant)
        return apps
    }

    /// Removes apps, all or none: their keys stop at once.
    /// - Throws: ``ServiceError`` 404 with the first id that does not exist.
    public func delete(_ ids: [Int64]) async throws {
        try await catalog.database.tenant(tenant).transaction { [tenant] sql in
            for id in ids where try sql.execute(Self.remove, tenant.rawValue, id) == 0 {
                throw ServiceError.missingRecord(id)
            }
        }
        await catalog.changed(tenant)
    }

    private func explainingConflicts<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as DatabaseError {
            throw Self.explained(error, nil)
        }
    }

    private static func explained(_ error: DatabaseError, _ name: String?) -> any Error {
        switch error.code {
        case .uniqueViolation:
            ServiceError.badRequest(
                "An app \(name.map { "named '\($0)'" } ?? "of this name") exists already. Choose another name.")
        case .foreignKeyViolation: ServiceError.badRequest("'role_id' names a role that does not exist.")
        default: error
        }
    }
}
