import Catalog
import Core
import Database

/// `/operator`: what the operator of the installation does, outside every tenant (contract.md §7). Who calls has shown
/// the operator token.
public struct OperatorPlane: Sendable {
    private let catalog: Catalog

    public init(platform: Platform) {
        catalog = platform.catalog
    }

    /// - Parameter request: its service is `tenants`, its resource empty, `{name}` or `{name}/usage`.
    /// - Throws: ``ServiceError``; anything else is not for callers' eyes.
    public func respond(to request: ServiceRequest, requestID: String) async throws -> ServiceResponse {
        let parts = request.resource.split(separator: "/")
        switch (request.service, parts.count, parts.dropFirst().first) {
        case ("tenants", 0, _):
            try request.allow(.get, .post)
            return try await request.verb == .get ? list(request) : create(request)
        case ("tenants", 1, _):
            try request.allow(.get, .patch, .delete)
            let name = try name(parts[0])
            switch request.verb {
            case .patch: return .json(try await change(name, request).json)
            case .delete: return try await delete(name)
            default: return .json(try await tenant(name).json)
            }
        case ("tenants", 2, "usage"):
            try request.allow(.get)
            return try await usage(try name(parts[0]), request)
        default:
            throw ServiceError.notFound(
                "The operator plane has '/operator/tenants', '/operator/tenants/{name}' and"
                    + " '/operator/tenants/{name}/usage', and nothing at this path.")
        }
    }

    // MARK: Tenants

    private func create(_ request: ServiceRequest) async throws -> ServiceResponse {
        let draft = try TenantDraft(request, allowed: ["name", "label", "quotas"])
        guard let text = draft.name else { throw ServiceError.badRequest("'name' is missing: \(TenantName.rule).") }
        guard let name = TenantName(text) else {
            throw ServiceError.badRequest("'\(text)' is not a valid tenant name: \(TenantName.rule).")
        }
        let made = try await catalog.createTenant(
            name: name, label: draft.label ?? "", quotas: draft.quotas ?? .emptyObject)
        return .json(
            .object([
                ("id", .integer(made.id.rawValue)),
                ("name", .string(made.name.text)),
                (
                    "admin",
                    .object([("email", .string(made.adminEmail)), ("password", .string(made.adminPassword))])
                ),
                ("api_key", .string(made.apiKey)),
            ]),
            status: 201)
    }

    private func list(_ request: ServiceRequest) async throws -> ServiceResponse {
        let limit = try number("limit", request, 1...1000) ?? 100
        let cursor = try number("cursor", request, 0...Int.max) ?? 0
        // One more than is shown tells whether there is a next page.
        let found = try await catalog.tenants(after: TenantID(rawValue: Int64(cursor)), limit: limit + 1)
        let shown = found.prefix(limit)
        let next = found.count > limit ? shown.last.map { String($0.id.rawValue) } : nil
        return .json(
            .object([
                ("resource", .array(shown.map(\.json))), ("meta", .object([("next", .string(next))])),
            ]))
    }

    private func change(_ name: TenantName, _ request: ServiceRequest) async throws -> TenantRecord {
        let draft = try TenantDraft(request, allowed: ["label", "quotas", "suspended"])
        let changed = try await catalog.changeTenant(named: name) { record in
            var record = record
            if let label = draft.label { record.label = label }
            if let suspended = draft.suspended { record.suspended = suspended }
            if let quotas = draft.quotas { record.quotas = TenantDraft.merge(quotas, into: record.quotas) }
            return record
        }
        guard let changed else { throw Self.unknown(name) }
        return changed
    }

    private func delete(_ name: TenantName) async throws -> ServiceResponse {
        guard try await catalog.deleteTenant(named: name) else { throw Self.unknown(name) }
        return .json(.object([("name", .string(name.text)), ("deleted", .bool(true))]))
    }

    private func tenant(_ name: TenantName) async throws -> TenantRecord {
        guard let record = try await catalog.tenantRecord(named: name) else { throw Self.unknown(name) }
        return record
    }

    private static func unknown(_ name: TenantName) -> ServiceError {
        .notFound("There is no tenant named '\(name)'. GET /operator/tenants lists them.")
    }

    private func name(_ text: Substring) throws(ServiceError) -> TenantName {
        guard let name = TenantName(String(text)) else {
            throw .notFound("'\(text.prefix(100))' is no tenant's name: \(TenantName.rule).")
        }
        return name
    }

    // MARK: Usage

    private func usage(_ name: TenantName, _ request: ServiceRequest) async throws -> ServiceResponse {
        let record = try await tenant(name)
        let month = try await catalog.monthSoFar()
        let first = try date("from", request) ?? month.first
        let last = try date("to", request) ?? max(month.today, first)
        // Such dates are in the order of their text.
        guard first <= last else { throw ServiceError.badRequest("'from' (\(first)) is later than 'to' (\(last)).") }
        let days = try await catalog.usage(of: record.id, from: first, to: last)
        return .json(
            .object([
                ("resource", .array(days.map(\.json))),
                ("meta", .object([("tenant", .string(record.name)), ("from", .string(first)), ("to", .string(last))])),
            ]))
    }

    private func date(_ key: String, _ request: ServiceRequest) throws(ServiceError) -> String? {
        guard let text = Query.value(key, in: request.query) else { return nil }
        guard text.utf8.count == 10, TenantUsage.isDay(text) else {
            throw .badRequest("'\(key)' must be a date such as 2026-11-30, not '\(text.prefix(40))'.")
        }
        return text
    }

    private func number(
        _ key: String, _ request: ServiceRequest, _ range: ClosedRange<Int>
    ) throws(ServiceError) -> Int? {
        guard let text = Query.value(key, in: request.query) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .badRequest(
                key == "cursor"
                    ? "'cursor' is not one that a list gave as 'meta.next'."
                    : "'\(key)' must be a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }
}

extension TenantRecord {
    fileprivate var json: JSONText {
        .object([
            ("id", .integer(id.rawValue)),
            ("name", .string(name)),
            ("label", .string(label)),
            ("suspended", .bool(suspended)),
            ("quotas", quotas),
            ("created_at", .string(createdAt.description)),
        ])
    }
}

extension TenantUsage {
    fileprivate var json: JSONText {
        .object([
            ("day", .string(day)),
            ("service", .string(service)),
            ("jobs", .integer(jobs)),
            ("attempts", .integer(attempts)),
            ("run_ms", .integer(run.milliseconds)),
            ("cpu_ms", .integer(cpu.milliseconds)),
            ("request_bytes", .integer(requestBytes)),
            ("response_bytes", .integer(responseBytes)),
            ("user_cpu_ms", .integer(scripts.userCPU.milliseconds)),
            ("system_cpu_ms", .integer(scripts.systemCPU.milliseconds)),
            ("waited_ms", .integer(scripts.waited.milliseconds)),
            ("api_calls", .integer(scripts.apiCalls)),
            ("bytes_in", .integer(scripts.bytesIn)),
            ("bytes_out", .integer(scripts.bytesOut)),
            ("log_bytes", .integer(scripts.logBytes)),
        ])
    }
}
