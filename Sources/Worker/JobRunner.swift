import Catalog
import Core
import Database
import JobQueue
import Logging
import Platform

/// Runs one attempt of a claimed job and writes its end.
struct JobRunner: Sendable {
    let platform: Platform
    let logger: Logger

    /// Never throws: what goes wrong is the job's end, or is left to the lease.
    func run(_ job: ClaimedJob, _ epoch: WorkerID) async {
        let outcome = await attempt(job)
        if Task.isCancelled, outcome.status == .cancelled {
            // The worker is stopping or lost its lease; nobody cancelled the job.
            await release(job, epoch)
            return
        }
        // The job may be over its time, its verdict must still be written: a task of its own is not cancelled with the job.
        await Task { await finish(job, epoch, outcome) }.value
    }

    private func attempt(_ job: ClaimedJob) async -> ScriptOutcome {
        do {
            let tenant = try await platform.catalog.tenant(job.tenant)
            guard let tenant else { throw ServiceError(410, "The job's tenant is gone.") }
            let bytes = try tenant.dataKey.open(job.payload, label: JobResponses.payloadLabel(job.id))
            guard let payload = JobPayload(bytes: bytes, tenant: job.tenant) else {
                throw ServiceError(500, "The stored request is damaged.")
            }
            let reference = ScriptReference(tenant: job.tenant, service: job.serviceID, version: job.version)
            guard let script = try await platform.catalog.script(reference) else {
                throw ServiceError.notFound("The service '\(job.service)' was deleted before its job could run.")
            }
            let log = JobLog(job: job, dataKey: tenant.dataKey, queue: platform.queue, logger: logger)
            let call = call(job, payload, script, tenant)
            return await withTaskGroup(of: Void.self) { group in
                group.addTask { await log.run() }
                let outcome = await platform.run(call) { log.append($0) }
                // What is left of the output is written at once, before the result.
                group.cancelAll()
                await group.waitForAll()
                return outcome
            }
        } catch {
            let shown = ServiceError(describing: error, logger, requestID: "")
            return ScriptOutcome(failed: shown, job: job.id)
        }
    }

    private func call(
        _ job: ClaimedJob, _ payload: JobPayload, _ script: Script, _ tenant: TenantSnapshot
    ) -> ScriptCall {
        var limits = ScriptSettings(config: script.config).limits(tenant.quotas, asynchronous: job.isAsynchronous)
        limits.wall = job.wall
        // The script reads the deadline by the wall clock; the limit itself is kept by a monotonic one.
        let deadline = Timestamp(microseconds: Timestamp.now.microseconds + job.wall.microseconds)
        return ScriptCall(
            caller: Caller(tenant: tenant, session: payload.session, requestID: payload.requestID),
            request: payload.request, script: script,
            job: ScriptCall.Job(
                id: job.id, attempt: job.attempt, maxAttempts: job.maxAttempts, createdAt: job.createdAt.description,
                deadline: deadline.description),
            deadline: ContinuousClock().now + job.wall, limits: limits)
    }

    private func finish(_ job: ClaimedJob, _ epoch: WorkerID, _ outcome: ScriptOutcome) async {
        do {
            if outcome.isLost, job.isAsynchronous, job.attempt < job.maxAttempts {
                logger.warning(
                    "attempt lost, giving the job back", metadata: ["job_id": "\(job.id)", "attempt": "\(job.attempt)"])
                try await platform.queue.release([job.id], from: epoch, spendingAttempt: true)
                return
            }
            guard let tenant = try await platform.catalog.tenant(job.tenant) else { return }
            let sealed = try tenant.dataKey.seal(outcome.outcome.bytes, label: JobResponses.label(job.id))
            let isAccepted = try await platform.queue.finish(
                FinishedAttempt(
                    job: job, worker: epoch, status: outcome.status, cpu: outcome.cpu,
                    peakMemoryBytes: outcome.peakMemoryBytes, outcome: sealed))
            if !isAccepted {
                logger.warning(
                    "late result refused", metadata: ["job_id": "\(job.id)", "attempt": "\(job.attempt)"])
            }
        } catch {
            // The lease will tell: the job is taken back when this worker is given up.
            logger.error("result not written", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
        }
    }

    private func release(_ job: ClaimedJob, _ epoch: WorkerID) async {
        // The job's own task is cancelled, and giving it back must still happen.
        await Task {
            do {
                try await platform.queue.release([job.id], from: epoch, spendingAttempt: false)
            } catch {
                logger.warning("job not handed back", metadata: ["job_id": "\(job.id)", "error": "\(error)"])
            }
        }.value
    }
}
