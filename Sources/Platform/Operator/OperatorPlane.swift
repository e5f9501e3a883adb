import Catalog
import Core

/// `/operator`: what the operator of the installation does, outside every tenant (contract.md §7). Who calls has shown
/// the operator token.
public struct OperatorPlane: Sendable {
    private let platform: Platform

    public init(platform: Platform) {
        self.platform = platform
    }

    /// - Parameter request: its service is `tenants`.
    /// - Throws: ``ServiceError``; anything else is not for callers' eyes.
    public func respond(to request: ServiceRequest, requestID: String) async throws -> ServiceResponse {
        guard request.service == "tenants", request.resource.isEmpty else {
            throw ServiceError.notFound("The operator plane has '/operator/tenants' and nothing at this path.")
        }
        try request.allow(.post)
        let body = try RecordBody.json(request)
        guard body.kind == .object else { throw ServiceError.badRequest("The body must be an object with 'name'.") }
        let fields = RecordFields(record: body)
        guard let text = try fields.text("name", longest: 200) else {
            throw ServiceError.badRequest("'name' is missing: \(TenantName.rule).")
        }
        guard let name = TenantName(text) else {
            throw ServiceError.badRequest("'\(text)' is not a valid tenant name: \(TenantName.rule).")
        }
        let label = try fields.text("label", longest: 200) ?? ""
        let quotas = body["quotas"].flatMap { $0.isNull ? nil : $0 } ?? .emptyObject
        do {
            try Quotas.check(quotas)
        } catch {
            throw ServiceError.badRequest(error.message)
        }
        let made = try await platform.catalog.createTenant(name: name, label: label, quotas: quotas)
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
}
