import CHost
import Catalog
import Core

/// The tenant that `dev` makes, with its sample services.
struct DemoTenant {
    let catalog: Catalog
    static let name = "demo"

    /// What a client needs to call the tenant: of an earlier start where that is known, else made anew.
    /// - Throws: ``ServiceError``, `DatabaseError`.
    func open(_ known: Credentials?, withServices: Bool) async throws -> (
        email: String, password: String, apiKey: String
    ) {
        guard let name = TenantName(Self.name) else { throw ServiceError(500, "The demo tenant has no valid name.") }
        guard let tenant = try await catalog.tenant(named: name) else {
            // Whoever tries things out, or measures, is not held up.
            let quotas = JSONText.object([("rate_per_second", .null), ("max_queued", .null)])
            let made = try await catalog.createTenant(name: name, label: "Demo", quotas: quotas)
            if withServices { try await install(in: made.id) }
            return (made.adminEmail, made.adminPassword, made.apiKey)
        }
        if let known, try await catalog.app(key: known.apiKey) != nil {
            return (known.adminEmail, known.adminPassword, known.apiKey)
        }
        // The credentials were lost: nobody can read them from the database, so there are new ones.
        let email = "admin@\(Self.name).local"
        let password = RandomSecret.password()
        guard try await catalog.accounts(tenant.id).setPassword(password, email: email) else {
            throw ServiceError(500, "The demo tenant's admin is gone. Start afresh with --fresh.")
        }
        let role = tenant.roles.values.first { $0.name == "default" }
        let app = try await catalog.apps(tenant.id).create(
            App(
                name: "default-\(RandomSecret.hex(bytes: 4))", description: "Made when the credentials were lost.",
                role: role?.id))
        return (email, password, app.key)
    }

    private func install(in tenant: TenantID) async throws {
        var index = 0
        while let script = Optional(host_demo_script_at(index)), let name = script.name, let type = script.type,
            let label = script.label, let source = script.source
        {
            index += 1
            guard let language = ScriptLanguage(rawValue: String(cString: type)) else { continue }
            _ = try await catalog.services(tenant).create(
                Services.Draft(
                    name: String(cString: name), label: String(cString: label), description: "", isActive: true,
                    language: language, content: String(cString: source), config: .emptyObject, doc: nil),
                by: nil)
        }
    }
}
