import Catalog
import Core

/// The tenant whose script a benchmark calls. None of its quotas holds anything back.
struct BenchTenant: Sendable {
    let id: TenantID
    let apiKey: String
    /// The name of its script's service.
    static let service = "bench"

    private static let unlimited = [
        "rate_per_second", "rate_burst", "max_queued", "max_concurrent", "jobs_per_day", "cpu_seconds_per_day",
    ]

    /// Lends a tenant with one script. In a server that stays it is deleted again.
    static func lend<Result>(
        in installation: BenchInstallation, _ rooms: BenchInstallation.Rooms, language: ScriptLanguage, script: String,
        _ body: (BenchTenant) async throws -> Result
    ) async throws -> Result {
        guard let name = TenantName("bench-\(RandomSecret.hex(bytes: 6))") else {
            throw BenchFailure(description: "the tenant has no name")
        }
        let quotas = unlimited.map { ($0, JSONText.null) } + [("sync_wait_seconds", .integer(300))]
        let made = try await rooms.catalog.createTenant(name: name, label: "Benchmark", quotas: .object(quotas))
        do {
            _ = try await rooms.catalog.services(made.id).create(
                Services.Draft(
                    name: service, label: "", description: "", isActive: true, language: language, content: script,
                    config: .emptyObject, doc: nil), by: nil)
            let result = try await body(BenchTenant(id: made.id, apiKey: made.apiKey))
            try await clearAway(name, installation, rooms)
            return result
        } catch {
            try? await clearAway(name, installation, rooms)
            throw error
        }
    }

    private static func clearAway(
        _ name: TenantName, _ installation: BenchInstallation, _ rooms: BenchInstallation.Rooms
    ) async throws {
        guard !installation.isOwn else { return }
        // The benchmark may be stopped, and the tenant must go all the same.
        _ = try await Task { try await rooms.catalog.deleteTenant(named: name) }.value
    }
}
