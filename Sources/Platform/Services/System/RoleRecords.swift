import Catalog
import Core

/// `system/role`: what callers and scripts may do (dreamfactory.md §9.3).
struct RoleRecords: RecordKind {
    let roles: Roles
    /// The tenant's services by their numbers, and by their names in lower case.
    let services: [String: TenantService]
    let account: Int64?

    let name = "role"
    static let relations: Set<String> = ["role_service_access_by_role_id", "lookup_by_role_id"]

    func all() async throws -> [RecordQuery.Record] { try await roles.records().map(Self.record) }

    func find(_ id: Int64) async throws -> RecordQuery.Record? {
        try await roles.records(id: id).first.map(Self.record)
    }

    func create(_ records: [JSONText]) async throws -> [RecordQuery.Record] {
        let drafts = try records.enumerated().map { index, record in
            try ServiceError.marking(record: index) { try draft(record, over: Roles.Record()) }
        }
        return try await roles.create(drafts, by: account).map(Self.record)
    }

    func change(_ changes: [RecordChange]) async throws -> [RecordQuery.Record] {
        try await roles.update(
            changes.enumerated().map { index, change in
                (
                    change.id,
                    { @Sendable old in
                        try ServiceError.marking(record: index) { try self.draft(change.record, over: old) }
                    }
                )
            }, by: account
        ).map(Self.record)
    }

    func remove(_ ids: [Int64]) async throws { try await roles.delete(ids) }

    private func draft(_ record: JSONText, over old: Roles.Record) throws(ServiceError) -> Roles.Record {
        let fields = RecordFields(record: record)
        var role = old
        role.name = try fields.required("name", longest: 64, over: old.name, of: "a role")
        role.description = try fields.text("description", longest: 255, over: old.description)
        role.isActive = try fields.bool("is_active", over: old.isActive)
        role.accesses = try ChildRows<Role.Access>(
            name: "role_service_access_by_role_id", owner: "role_id", id: \.id
        ).merged(record, over: old.accesses, read: access)
        role.lookups = try LookupDraft.rows(record, of: "role", over: old.lookups)
        return role
    }

    private func access(_ row: JSONText, over old: Role.Access?) throws(ServiceError) -> Role.Access {
        let fields = RecordFields(record: row)
        var access =
            old ?? Role.Access(service: nil, component: "*", verbMask: 0, requestorMask: Requestor.api.rawValue)
        try name(&access, row, fields)
        let component = try fields.text("component", longest: 255, over: access.component, cleared: "*")
        access.component = String(component.drop { $0 == "/" })
        access.verbMask = try mask("verb_mask", fields, over: access.verbMask, most: 127)
        access.requestorMask = try mask("requestor_mask", fields, over: access.requestorMask, most: 3)
        access.filterOp = try fields.text("filter_op", longest: 3, over: access.filterOp, cleared: "AND").uppercased()
        guard ["AND", "OR"].contains(access.filterOp) else {
            throw .badRequest("'filter_op' must be \"AND\" or \"OR\".")
        }
        access.filters = try filters(row["filters"], over: access.filters)
        guard access.service != nil || access.serviceID != nil || access.component == "*" else {
            throw .badRequest(
                "A row for all services needs the component \"*\". Name a service with 'service_id' or 'service'.")
        }
        return access
    }

    /// Which service: by its number, or by its name, which those of the platform's own have alone.
    private func name(
        _ access: inout Role.Access, _ row: JSONText, _ fields: RecordFields
    ) throws(ServiceError) {
        let id = try fields.integer("service_id")
        let name = try fields.text("service", longest: 40).flatMap { $0.isEmpty ? nil : $0.lowercased() }
        guard row["service_id"] != nil || row["service"] != nil else { return }
        if let id {
            guard let service = services.values.first(where: { $0.id == id }) else {
                throw .badRequest("'service_id' names the service \(id), which does not exist.")
            }
            (access.serviceID, access.service) = (id, service.name)
        } else if let name, TenantService.reservedNames.contains(name) {
            (access.serviceID, access.service) = (nil, name)
        } else if let name {
            guard let service = services[name] else {
                throw .badRequest("'service' names '\(name)', which does not exist.")
            }
            (access.serviceID, access.service) = (service.id, service.name)
        } else {
            (access.serviceID, access.service) = (nil, nil)
        }
    }

    private func mask(
        _ name: String, _ fields: RecordFields, over old: Int, most: Int
    ) throws(ServiceError) -> Int {
        guard let given = try fields.integer(name) else { return old }
        guard (0...Int64(most)).contains(given) else {
            throw .badRequest("'\(name)' must be a whole number from 0 to \(most).")
        }
        return Int(given)
    }

    private func filters(_ given: JSONText?, over old: JSONText) throws(ServiceError) -> JSONText {
        guard let given else { return old }
        guard !given.isNull else { return JSONText(trusted: "[]") }
        guard given.kind == .array, given.elements.count <= 100, given.text.utf8.count <= 16 << 10 else {
            throw .badRequest("'filters' must be a list of 100 objects at most.")
        }
        for filter in given.elements {
            guard filter.kind == .object, filter["name"]?.string?.isEmpty == false,
                filter["operator"]?.string?.isEmpty == false, filter["value"] != nil
            else { throw .badRequest("Each of 'filters' must be an object with 'name', 'operator' and 'value'.") }
        }
        return given
    }

    private static func record(_ role: Roles.Record) -> RecordQuery.Record {
        var record: RecordQuery.Record =
            [
                ("id", .integer(role.id)),
                ("name", .string(role.name)),
                ("description", .string(role.description)),
                ("is_active", .bool(role.isActive)),
            ] + role.stamp.members
        let rows = Role(id: role.id, name: role.name, accesses: role.accesses).json["services"]
        record.append(("role_service_access_by_role_id", rows ?? .null))
        record.append(("lookup_by_role_id", LookupDraft.relation(role.lookups, of: "role", role.id)))
        return record
    }
}
