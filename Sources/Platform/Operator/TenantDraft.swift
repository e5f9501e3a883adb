import Core
import Outbound

/// What an operator's request says of a tenant, checked; nil stands for what it does not say.
struct TenantDraft {
    let name: String?
    let label: String?
    let quotas: JSONText?
    let suspended: Bool?

    /// - Parameter allowed: the keys that the request may have.
    /// - Throws: ``ServiceError`` 400 that names the key and what it may be.
    init(_ request: ServiceRequest, allowed: [String]) throws(ServiceError) {
        let body = try RecordBody.json(request)
        let keys = allowed.map { "'\($0)'" }.joined(separator: ", ")
        guard body.kind == .object else { throw .badRequest("The body must be an object with \(keys).") }
        if let unknown = body.members.first(where: { !allowed.contains($0.key) }) {
            throw .badRequest("'\(unknown.key.prefix(100))' is not understood here. Known are \(keys).")
        }
        let fields = RecordFields(record: body)
        name = try fields.text("name", longest: 200)
        label = try fields.text("label", longest: 200)
        suspended = try fields.bool("suspended")
        quotas = body["quotas"].flatMap { $0.isNull ? nil : $0 }
        do {
            try quotas.map(Quotas.check)
        } catch {
            throw .badRequest(error.message)
        }
        for entry in quotas?["egress"].flatMap(Quotas.egressEntries) ?? [] {
            if let complaint = EgressRules.complaint(about: entry) {
                throw .badRequest("Quota 'egress': \(complaint).")
            }
        }
    }

    /// Quotas with some of them changed; null is a value like any other: no limit.
    static func merge(_ changes: JSONText, into quotas: JSONText) -> JSONText {
        let changed = changes.members
        let kept = quotas.members.filter { old in !changed.contains { $0.key == old.key } }
        return .object((kept + changed).map { ($0.key, $0.value) })
    }
}
