import Catalog
import Core
import JobQueue

/// From what is stored of a job's end to the response that its caller gets, at once or by polling.
public struct JobResponses: Sendable {
    let tenant: TenantSnapshot

    public init(tenant: TenantSnapshot) {
        self.tenant = tenant
    }

    /// What a result holds; a job without one of its own (its worker was lost, it was cancelled) gets the documented answer.
    public func outcome(of result: StoredResult, requestID: String) throws -> JobOutcome {
        if let sealed = result.outcome {
            let bytes = try tenant.dataKey.open(sealed, label: Self.label(result.id))
            guard let outcome = JobOutcome(bytes: bytes) else {
                throw ServiceError(500, "The stored response is damaged.")
            }
            return outcome
        }
        let error = Self.error(of: result, requestID: requestID)
        return JobOutcome(response: .error(error), error: JobOutcome.error(error))
    }

    private static func error(of result: StoredResult, requestID: String) -> ServiceError {
        let context: [(String, JSONText)] = [
            ("request_id", .string(requestID)), ("job_id", .string(result.id.description)),
        ]
        switch result.status {
        // Only a job that another one's script made may end with a response and without keeping it.
        case .succeeded: return notKept(result.id)
        case .failed where !result.workerLost: return notKept(result.id)
        case .cancelled: return ServiceError(409, "The job was cancelled.", context: context)
        case .expired:
            return ServiceError(504, "The job expired before it could be answered.", context: context)
        default:
            return ServiceError(
                503,
                result.attempt > 1
                    ? "The worker that ran the last of this job's \(result.attempt) attempts was lost. Look whether it is the script that ends its worker before you send the call again."
                    : "The worker that ran this job was lost, and the job's attempts are spent. Send the call again.",
                context: context, retryAfter: 1)
        }
    }

    /// Of a call by a script, beyond what is kept of a job's calls.
    static func notKept(_ id: JobID) -> ServiceError {
        ServiceError(
            410,
            "The job whose script made this call has made more, or larger, calls than are kept: only its facts are.",
            context: [("job_id", .string(id.description))])
    }

    /// Binds a sealed outcome to its job.
    public static func label(_ id: JobID) -> String { "outcome:\(id)" }

    /// Binds a sealed payload to its job.
    public static func payloadLabel(_ id: JobID) -> String { "payload:\(id)" }

    /// Binds a sealed summary to its job.
    public static func summaryLabel(_ id: JobID) -> String { "summary:\(id)" }
}
