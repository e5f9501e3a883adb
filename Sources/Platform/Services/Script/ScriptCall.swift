import Catalog
import Core

/// One call of a script, from a job or from another script.
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

        public init(id: JobID, attempt: Int, maxAttempts: Int, createdAt: String, deadline: String) {
            self.id = id
            self.attempt = attempt
            self.maxAttempts = maxAttempts
            self.createdAt = createdAt
            self.deadline = deadline
        }
    }

    public var caller: Caller
    public var request: ServiceRequest
    public var script: Script
    public var job: Job
    /// When the whole attempt must be over, nested calls included.
    public var deadline: ContinuousClock.Instant
    public var limits: AttemptLimits
    /// Shared by all scripts of the attempt.
    let budget: AttemptBudget
    /// 0 for the script that the job is for, one more for each call of a script by a script.
    public var depth: Int

    public init(
        caller: Caller, request: ServiceRequest, script: Script, job: Job, deadline: ContinuousClock.Instant,
        limits: AttemptLimits
    ) {
        self.caller = caller
        self.request = request
        self.script = script
        self.job = job
        self.deadline = deadline
        self.limits = limits
        depth = 0
        budget = AttemptBudget(limits)
    }

    /// A call that a script of the same attempt makes.
    func nested(_ caller: Caller, _ request: ServiceRequest, _ script: Script, _ limits: AttemptLimits) -> ScriptCall {
        ScriptCall(
            caller: caller, request: request, script: script, job: job, deadline: deadline, limits: limits,
            budget: budget, depth: depth + 1)
    }

    private init(
        caller: Caller, request: ServiceRequest, script: Script, job: Job, deadline: ContinuousClock.Instant,
        limits: AttemptLimits, budget: AttemptBudget, depth: Int
    ) {
        self.caller = caller
        self.request = request
        self.script = script
        self.job = job
        self.deadline = deadline
        self.limits = limits
        self.budget = budget
        self.depth = depth
    }
}

/// How a call of a script ended.
public struct ScriptOutcome: Sendable {
    public var status: JobStatus
    /// The response as it is sent, and the job's `error`.
    public var outcome: JobOutcome
    /// User and system time, nested calls not included.
    public var cpu: Duration
    public var peakMemoryBytes: Int
    /// Whether our own machinery failed, so that the attempt may be repeated.
    public var isLost: Bool
}

extension ScriptOutcome {
    /// A job that could not even begin.
    public init(failed error: ServiceError, job: JobID) {
        var error = error
        error.context.append(("job_id", .string(job.description)))
        status = .failed
        outcome = JobOutcome(response: .error(error), error: JobOutcome.error(error))
        cpu = .zero
        peakMemoryBytes = 0
        isLost = error.status == 503
    }
}
