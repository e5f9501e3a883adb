import Catalog
import Core
import Database
import JobQueue

/// `GET jobs`: a tenant's jobs, newest first, as far as the caller may see them.
struct JobListing {
    let platform: Platform

    static let names = ["status", "service", "app_id", "parent_id", "since", "until", "limit", "cursor"]
    /// How many a page has where the caller does not say.
    static let usualLimit = 100

    /// - Throws: ``ServiceError`` 400 that names the parameter and what it must be.
    func page(_ request: ServiceRequest, _ caller: Caller) async throws -> JSONText {
        let visibility = JobVisibility(caller, .get)
        let filter = try filter(request, caller, visibility)
        var page = JobPage()
        if !visibility.isEmpty, filter.app == nil || visibility.app == nil || filter.app == visibility.app {
            page = try await platform.queue.jobs(filter, of: caller.tenant.id)
        }
        let reasons = try await WaitReasons(platform.queue, caller.tenant).reasons(of: page.jobs)
        let views = page.jobs.map { JobView(record: $0, caller: caller, waitReason: reasons[$0.id]) }
        return .object([
            ("resource", .array(try views.map { try $0.json })),
            ("meta", .object([("next", .string(page.next?.description))])),
        ])
    }

    private func filter(
        _ request: ServiceRequest, _ caller: Caller, _ visibility: JobVisibility
    ) throws -> JobFilter {
        let query = request.query
        func value(_ name: String) -> String? {
            Query.value(name, in: query).flatMap { $0.isEmpty ? nil : $0 }
        }
        func time(_ name: String) throws -> Timestamp? {
            try value(name).map { text in
                guard let moment = Timestamp(text) else {
                    throw ServiceError.badRequest(
                        "'\(name)' must be a time in the form 2027-01-31T08:00:00Z.")
                }
                return moment
            }
        }
        let retention = Duration.seconds(caller.tenant.quotas.retentionSeconds)
        let oldest = Timestamp(microseconds: Timestamp.now.microseconds - retention.microseconds)
        var filter = JobFilter(since: max(try time("since") ?? oldest, oldest), limit: Self.usualLimit)
        filter.until = try time("until")
        filter.service = value("service")?.lowercased()
        filter.account = visibility.account
        filter.app = visibility.app
        if let text = value("app_id") {
            guard let app = Int64(text) else { throw ServiceError.badRequest("'app_id' must be the number of an app.") }
            filter.app = app
        }
        if let text = value("parent_id") {
            guard let parent = JobID(text) else {
                throw ServiceError.badRequest("'parent_id' must be the id of a job.")
            }
            filter.parent = parent
        }
        if let text = value("status") {
            guard let status = JobStatus(rawValue: text) else {
                throw ServiceError.badRequest(
                    "'status' must be one of queued, running, succeeded, failed, cancelled, expired.")
            }
            filter.status = status
        }
        if let text = value("limit") {
            guard let limit = Int(text), (1...1000).contains(limit) else {
                throw ServiceError.badRequest("'limit' must be a whole number from 1 to 1000.")
            }
            filter.limit = limit
        }
        if let text = value("cursor") {
            guard let cursor = JobCursor(text) else {
                throw ServiceError.badRequest("'cursor' must be the 'meta.next' of the page before.")
            }
            filter.cursor = cursor
        }
        return filter
    }
}
