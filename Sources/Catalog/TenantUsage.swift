import Core
import Database
import Logging

/// What a tenant's finished jobs of one day and service have used.
public struct TenantUsage: Sendable {
    /// `YYYY-MM-DD`, UTC: when the jobs were accepted.
    public let day: String
    public let service: String
    public let jobs: Int64
    /// Runs, also those whose worker was lost.
    public let attempts: Int64
    public let run: Duration
    public let cpu: Duration
    /// As stored.
    public let requestBytes: Int64
    public let responseBytes: Int64
    /// What the attempts have used together, without `wall` and the peak.
    public let scripts: AttemptUsage

    /// Whether a text is a date that exists, as `YYYY-MM-DD`.
    public static func isDay(_ text: String) -> Bool { Timestamp(text + "T00:00:00Z") != nil }

    init(_ row: Row) throws {
        let run: Int64
        let cpu: Int64
        var scripts = AttemptUsage()
        let (user, system, waited): (Int64, Int64, Int64)
        (
            day, service, jobs, attempts, run, cpu, requestBytes, responseBytes, user, system, waited, scripts.apiCalls,
            scripts.bytesIn, scripts.bytesOut, scripts.logBytes
        ) = try row.decode(
            String.self, String.self, Int64.self, Int64.self, Int64.self, Int64.self, Int64.self, Int64.self,
            Int64.self,
            Int64.self, Int64.self, Int.self, Int.self, Int.self, Int.self)
        self.run = .microseconds(run)
        self.cpu = .microseconds(cpu)
        scripts.userCPU = .microseconds(user)
        scripts.systemCPU = .microseconds(system)
        scripts.waited = .microseconds(waited)
        self.scripts = scripts
    }
}

extension Catalog {
    /// What a tenant has used on each day from the first to the last, by service. Days that are over and done are kept as
    /// sums; the others are summed from their results, which may take a while.
    /// - Parameters:
    ///   - first: `YYYY-MM-DD`, a date that exists.
    ///   - last: the same.
    public func usage(of tenant: TenantID, from first: String, to last: String) async throws -> [TenantUsage] {
        try await database.system.read(limit: .seconds(60)) { sql in
            try sql.query(SystemStatements.usage, tenant.rawValue, first, last).map(TenantUsage.init)
        }
    }

    /// The first day of this month and today, by the database's clock.
    public func monthSoFar() async throws -> (first: String, today: String) {
        let rows = try await database.system.read { try $0.query(SystemStatements.today) }
        guard let row = rows.first else { throw ServiceError(503, "The database gave no date.", retryAfter: 1) }
        let (first, today) = try row.decode(String.self, String.self)
        return (first, today)
    }

    /// Keeps the sums of days that are over and whose jobs have all ended.
    func closeUsageDays() async throws {
        var isClosed = true
        while isClosed, !Task.isCancelled {
            isClosed = try await database.system.transaction(limit: .seconds(300)) { sql in
                try sql.query(SystemStatements.closeUsageDay).first?.decode(String?.self) != nil
            }
        }
    }
}
