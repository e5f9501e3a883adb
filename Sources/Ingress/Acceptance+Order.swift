import Catalog
import Core
import Database
import FoundationEssentials
import JobQueue
import Platform
import Synchronization

extension Acceptance {
    /// An authorised call that becomes a job, and what its answer needs. It holds little while its caller waits, and thousands
    /// wait at the same time.
    final class Order: Sendable {
        let id: JobID
        let tenant: TenantSnapshot
        let requestID: String
        let isAsynchronous: Bool
        /// Whether every caller of the service is answered at once.
        let isQueuedService: Bool
        /// What the caller asked for by `Prefer`, and is told that it was heard.
        let heard: String?
        /// How long the caller waits, at most, in seconds.
        let wait: Double
        /// Whether the job ends with the wait.
        let cancels: Bool
        private let job: Mutex<NewJob?>

        /// - Parameter service: nil for a service of the platform's own.
        /// - Throws: ``ServiceError``
        init(_ platform: Platform, _ request: ServiceRequest, _ service: TenantService?, _ caller: Caller) throws {
            let settings = ScriptSettings(config: service?.config ?? .emptyObject)
            let preferences = try Preferences(request, settings, now: .now)
            isAsynchronous = preferences.isAsynchronous
            isQueuedService = settings.isQueued
            tenant = caller.tenant
            requestID = caller.requestID
            let quotas = tenant.quotas
            wait = min(preferences.wait ?? quotas.syncWaitSeconds, quotas.syncWaitMaxSeconds)
            cancels = settings.onWaitExpired == .cancel
            heard =
                isAsynchronous
                ? (preferences.asksToRespondAsync ? "respond-async" : nil)
                : preferences.wait.map { [wait] _ in "wait=\(JSONText.number(wait))" }
            let draft = JobDraft(
                platform: platform, request: request, service: service, caller: caller,
                isAsynchronous: isAsynchronous)
            var job = try draft.job(idempotencyKey: preferences.idempotencyKey)
            job.start = preferences.start
            job.priority = preferences.priority
            if let key = preferences.idempotencyKey {
                job.idempotency = Self.idempotency(key, request, caller)
            }
            // Should nobody be left to cancel it: it is not begun after its caller's time.
            if !isAsynchronous, cancels { job.startWithin = .seconds(wait) }
            id = job.id
            self.job = Mutex(job)
        }

        /// The job, to be written: whoever takes it has it alone.
        func takeJob() -> NewJob? {
            job.withLock { job in
                defer { job = nil }
                return job
            }
        }

        /// What a result says to this caller.
        func response(of result: StoredResult) throws -> ServiceResponse {
            try JobResponses(tenant: tenant).outcome(of: result, requestID: requestID).response
        }

        private static func idempotency(
            _ key: String, _ request: ServiceRequest, _ caller: Caller
        ) -> IdempotencyKey {
            let session = caller.session
            // Users of one app are answered for themselves: what one of them was told is not for another who sends the same
            // key.
            let owner = [session.appID.map { "app:\($0)" }, session.user.map { "account:\($0.id)" }]
                .compactMap { $0 }.joined(separator: " ")
            let query = CredentialMask.removed(from: request.query)
            // Lengths first, so that no two requests read the same.
            let parts = [request.verb.rawValue, request.service, request.resource, query]
            let head = parts.map { "\($0.utf8.count):\($0)" }.joined()
            return IdempotencyKey(
                caller: owner, key: sha256(key), fingerprint: sha256(Array(head.utf8) + request.body))
        }
    }
}
