import Catalog
import Core
import Database
import FoundationEssentials
import JobQueue
import Logging
import Platform

/// Runs one attempt of a claimed job and writes its end.
struct JobRunner: Sendable {
    let platform: Platform
    let logger: Logger

    /// Never throws: what goes wrong is the job's end, or is left to the lease.
    /// - Parameter isStopping: whether the worker is being stopped, as opposed to having lost its lease.
    func run(_ job: ClaimedJob, _ epoch: WorkerID, isStopping: @Sendable () -> Bool) async {
        let (outcome, logger) = await attempt(job, epoch)
        if Task.isCancelled, outcome.status == .cancelled {
            // Nobody cancelled the job. A worker that stops hands it back; whose lease is lost must leave it to who takes
            // the job over.
            if isStopping() {
                await handBack(job, epoch)
            } else {
                WorkerMetrics.attemptDropped()
                logger.warning(
                    "attempt dropped: the job is no longer this worker's",
                    metadata: ["job_id": "\(job.id)", "attempt": "\(job.attempt)"])
                await settle(job, epoch, outcome, logger)
            }
        } else {
            let isWritten = await write(job, epoch, logger) {
                if isTriedAgain(job, outcome) { return try await retry(job, epoch, outcome, logger) }
                return try await store(job, epoch, outcome)
            }
            if !isWritten { await settle(job, epoch, outcome, logger) }
        }
    }

    /// Attempts that failed by our fault are repeated while there are any left, those that the script failed only where its
    /// author wants it.
    private func isTriedAgain(_ job: ClaimedJob, _ outcome: ScriptOutcome) -> Bool {
        guard job.isAsynchronous, job.attempt < job.maxAttempts else { return false }
        return outcome.isLost || job.retryOnError && outcome.status == .failed
    }

    /// The attempt's end, and a logger that says whose it is.
    private func attempt(_ job: ClaimedJob, _ epoch: WorkerID) async -> (ScriptOutcome, Logger) {
        var logger = logger
        logger[metadataKey: "job_id"] = "\(job.id)"
        logger[metadataKey: "attempt"] = "\(job.attempt)"
        var requestID = ""
        do {
            let tenant = try await platform.catalog.tenant(job.tenant)
            guard let tenant else { throw ServiceError(410, "The job's tenant is gone.") }
            let bytes = try tenant.dataKey.open(job.payload, label: JobResponses.payloadLabel(job.id))
            guard let payload = JobPayload(bytes: bytes, tenant: job.tenant) else {
                throw ServiceError(500, "The stored request is damaged.")
            }
            requestID = payload.requestID
            logger[metadataKey: "tenant"] = "\(tenant.name)"
            logger[metadataKey: "service"] = "\(job.service)"
            logger[metadataKey: "request_id"] = "\(requestID)"
            logger[metadataKey: "trace_id"] = "\(payload.trace.traceID)"
            logger.debug("attempt begins")
            let work = try await work(of: job, payload)
            if job.attempt == 1, !isPutOff(payload, work) { WorkerMetrics.claimed(job) }
            let log = JobLog(job: job, worker: epoch, dataKey: tenant.dataKey, queue: platform.queue, logger: logger)
            let call = try await call(job, payload, work, tenant)
            let outcome = await withTaskGroup(of: Void.self) { group in
                group.addTask { await log.run() }
                let outcome = await platform.run(call) { log.append($0) }
                if !Task.isCancelled, isTriedAgain(job, outcome) {
                    let why = outcome.outcome.error["message"]?.string ?? ""
                    log.append(
                        LogLine(
                            stream: .system,
                            text: "Attempt \(job.attempt) of \(job.maxAttempts) failed and is tried again: \(why)"))
                }
                // What is left of the output is written at once, before the result.
                group.cancelAll()
                await group.waitForAll()
                return outcome
            }
            logger.debug(
                "attempt ends",
                metadata: ["status": "\(outcome.status.rawValue)", "cpu_ms": "\(outcome.usage.cpu.milliseconds)"])
            return (outcome, logger)
        } catch {
            var outcome = ScriptOutcome(
                failed: ServiceError(describing: error, logger, requestID: requestID), job: job.id)
            // A look-up that our own stop has cut off says nothing of the job.
            if Task.isCancelled { outcome.status = .cancelled }
            return (outcome, logger)
        }
    }

    /// What the job was accepted for.
    private func work(of job: ClaimedJob, _ payload: JobPayload) async throws -> ScriptCall.Work {
        if let event = payload.queuedEvent {
            guard let script = try await platform.catalog.source(of: event.script, tenant: job.tenant) else {
                throw ServiceError.notFound(
                    "The event script '\(event.script.name)' was deleted before its job could run.")
            }
            return .queuedEvent(event, script)
        }
        guard job.serviceID != 0 else { return .builtIn }
        let reference = ScriptReference(tenant: job.tenant, service: job.serviceID, version: job.version)
        guard let script = try await platform.catalog.script(reference) else {
            throw ServiceError.notFound("The service '\(job.service)' was deleted before its job could run.")
        }
        return .script(script, reference)
    }

    /// Whether its caller or its author wanted it later: then it has not waited for a worker all the time.
    private func isPutOff(_ payload: JobPayload, _ work: ScriptCall.Work) -> Bool {
        if case .script(let script, _) = work {
            let settings = ScriptSettings(config: script.config)
            if settings.isQueued, settings.delaySeconds ?? 0 > 0 { return true }
        }
        return Query.pairs(payload.request.query).contains { ["delay", "run_at"].contains($0.name) }
    }

    private func call(
        _ job: ClaimedJob, _ payload: JobPayload, _ work: ScriptCall.Work, _ tenant: TenantSnapshot
    ) async throws -> ScriptCall {
        var config = JSONText.emptyObject
        if case .script(let script, _) = work { config = script.config }
        var limits = ScriptSettings(config: config).limits(tenant.quotas, asynchronous: job.isAsynchronous)
        limits.wall = job.wall
        // The script reads the deadline by the wall clock; the limit itself is kept by a monotonic one.
        let deadline = Timestamp(microseconds: Timestamp.now.microseconds + job.wall.microseconds)
        var caller = Caller(
            tenant: tenant, session: payload.session, requestID: payload.requestID, trace: payload.trace)
        // The token was checked when the job was accepted; who signs out with it must be told which it is.
        if case .builtIn = work, let token = payload.session.token {
            caller.claims = try? await platform.tokens.verify(token, now: Date(), expired: true)
        }
        return ScriptCall(
            caller: caller, request: payload.request, work: work, events: payload.events,
            job: ScriptCall.Job(
                id: job.id, attempt: job.attempt, maxAttempts: job.maxAttempts, createdAt: job.createdAt.description,
                deadline: deadline.description),
            deadline: ContinuousClock().now + job.wall, limits: limits)
    }

    /// Writes the verdict, again and again while the lease lasts: a database that is away for a while loses no result.
    /// - Returns: whether it stands.
    private func write(
        _ job: ClaimedJob, _ epoch: WorkerID, _ logger: Logger, _ verdict: @escaping @Sendable () async throws -> Bool
    ) async -> Bool {
        while true {
            do {
                // The script's time may be over, its verdict must still be written: a task of its own is not cancelled
                // with the job, and is awaited at once.
                let isAccepted = try await Task { try await verdict() }.value
                if !isAccepted {
                    logger.warning("late result refused")
                }
                return isAccepted
            } catch {
                logger.error("result not written", metadata: ["error": "\(error)"])
                guard !Task.isCancelled else { return false }
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func store(_ job: ClaimedJob, _ epoch: WorkerID, _ outcome: ScriptOutcome) async throws -> Bool {
        // Without its tenant there is no key to seal with, and nobody to read. With a tenant that can not be opened here
        // the job ends as failed all the same, else it would keep its slot for ever.
        let tenant: TenantSnapshot?
        do {
            tenant = try await platform.catalog.tenant(job.tenant)
        } catch is ServiceError {
            tenant = nil
        }
        let key = tenant?.dataKey
        var attempt = FinishedAttempt(
            job: job, worker: epoch, status: outcome.status, usage: outcome.usage,
            outcome: try key?.seal(outcome.outcome.bytes, label: JobResponses.label(job.id)),
            children: key == nil ? [] : try outcome.children.map { try $0.finished(by: epoch) })
        attempt.countsAgainstBudget = tenant?.quotas.cpuSecondsPerDay != nil
        return try await platform.queue.finish(attempt)
    }

    private func retry(
        _ job: ClaimedJob, _ epoch: WorkerID, _ outcome: ScriptOutcome, _ logger: Logger
    ) async throws -> Bool {
        let next = try await platform.queue.retry(
            job, from: epoch, lost: outcome.isLost, usage: Self.usage(of: outcome),
            countsAgainstBudget: await hasBudget(job.tenant))
        if let next {
            logger.warning("attempt failed, trying again", metadata: ["next": "\(next)"])
        }
        return next != nil
    }

    /// Whether what a tenant's jobs use counts against a daily budget. Of one that can not be had nothing counts.
    private func hasBudget(_ tenant: TenantID) async -> Bool {
        (try? await platform.catalog.tenant(tenant))?.quotas.cpuSecondsPerDay != nil
    }

    /// What it has called is not kept, and has been used all the same.
    private static func usage(of outcome: ScriptOutcome) -> AttemptUsage {
        outcome.children.reduce(into: outcome.usage) { $0.add(nested: $1.usage) }
    }

    /// The run came to nothing, and has used what it has used.
    private func settle(_ job: ClaimedJob, _ epoch: WorkerID, _ outcome: ScriptOutcome, _ logger: Logger) async {
        let usage = Self.usage(of: outcome)
        // The job's own task is cancelled, and the note must still be written.
        await Task {
            do {
                try await platform.queue.settle(
                    job, from: epoch, usage: usage, countsAgainstBudget: await hasBudget(job.tenant))
            } catch {
                logger.warning("usage of a dropped attempt not written", metadata: ["error": "\(error)"])
            }
        }.value
    }

    private func handBack(_ job: ClaimedJob, _ epoch: WorkerID) async {
        // The job's own task may be cancelled, and giving it back must still happen.
        await Task {
            do {
                try await platform.queue.release([job.id], from: epoch)
            } catch {
                logger.warning("job not handed back", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
            }
        }.value
    }
}
