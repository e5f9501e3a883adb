import Catalog
import Core

/// One call of a service in which scripts take part, from a job or from another script.
public struct ScriptCall: Sendable {
    /// What `event.job` says, and what limits the call.
    public struct Job: Sendable {
        public var id: JobID
        public var attempt: Int
        public var maxAttempts: Int
        /// RFC 3339.
        public var createdAt: String
        /// RFC 3339.
        public var deadline: String
        /// The job whose script called; nil for a job of its own.
        var parent: JobID?
        /// The job in whose slot it runs.
        var root: JobID

        public init(id: JobID, attempt: Int, maxAttempts: Int, createdAt: String, deadline: String) {
            self.id = id
            self.attempt = attempt
            self.maxAttempts = maxAttempts
            self.createdAt = createdAt
            self.deadline = deadline
            root = id
        }
    }

    /// What is called.
    public enum Work: Sendable {
        /// A script service, and which version of it.
        case script(Script, ScriptReference)
        /// A service of the platform's own, with scripts on its events or in the background.
        case builtIn
        /// No service: the script of an event that has happened.
        case queuedEvent(QueuedEvent, Script)
    }

    public var caller: Caller
    public var request: ServiceRequest
    public var work: Work
    /// The scripts that run around the service, in their order.
    public var events: [EventScript]
    public var job: Job
    /// When the whole attempt must be over, nested calls included.
    public var deadline: ContinuousClock.Instant
    public var limits: AttemptLimits
    /// Shared by all scripts of the attempt.
    let budget: AttemptBudget
    /// 0 for what the job is for, one more for each call of a script by a script.
    public private(set) var depth: Int

    public init(
        caller: Caller, request: ServiceRequest, work: Work, events: [EventScript], job: Job,
        deadline: ContinuousClock.Instant, limits: AttemptLimits
    ) {
        self.caller = caller
        self.request = request
        self.work = work
        self.events = events
        self.job = job
        self.deadline = deadline
        self.limits = limits
        depth = 0
        budget = AttemptBudget(limits)
    }

    /// A call that a script of the same attempt makes.
    func nested(
        _ caller: Caller, _ request: ServiceRequest, _ work: Work, _ events: [EventScript], _ limits: AttemptLimits
    ) -> ScriptCall {
        var call = self
        call.caller = caller
        call.request = request
        call.work = work
        call.events = events
        call.limits = limits.within(self.limits)
        call.job = job.child()
        call.depth += 1
        return call
    }
}

extension ScriptCall {
    /// The error with what every error of a job says of itself.
    func contextualised(_ error: ServiceError) -> ServiceError {
        var error = error
        let facts: [(String, JSONText)] = [
            ("request_id", .string(caller.requestID)), ("job_id", .string(job.id.description)),
        ]
        error.context = facts + error.context.filter { entry in !facts.contains { $0.0 == entry.0 } }
        return error
    }
}

/// How a call ended.
public struct ScriptOutcome: Sendable {
    public var status: JobStatus
    /// The response as it is sent, and the job's `error`.
    public var outcome: JobOutcome
    /// Nested calls not included.
    public var usage: AttemptUsage
    /// Whether our own machinery failed, so that the attempt may be repeated.
    public var isLost: Bool
    /// The calls of scripts that its scripts made; those of a nested call are its job's.
    public var children: [ChildJob] = []
}

extension ScriptOutcome {
    /// A job that could not even begin.
    public init(failed error: ServiceError, job: JobID) {
        var error = error
        error.context.append(("job_id", .string(job.description)))
        status = .failed
        outcome = JobOutcome(response: .error(error), error: JobOutcome.error(error))
        usage = AttemptUsage()
        isLost = error.status == 503
    }
}
