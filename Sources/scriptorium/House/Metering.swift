import Core
import Metrics
import Telemetry

/// What the process counts, from its start to its end.
enum Metering {
    private static let registry = PrometheusRegistry(help: [
        "scriptorium_attempts_dropped_total":
            "Runs that came to nothing because their job was cancelled or taken over.",
        "scriptorium_attempts_lost_total": "Runs of lost workers that this process took back.",
        "scriptorium_claim_jobs": "Jobs that a claim of this worker got.",
        "scriptorium_claim_seconds": "How long claims of this worker took, a wait for a connection included.",
        "scriptorium_database_connections": "Connections to the database that are open.",
        "scriptorium_database_connections_busy": "Connections to the database that are in use.",
        "scriptorium_database_up": "Whether the database answered when this was asked for.",
        "scriptorium_database_use_seconds": "How long work has held a database connection.",
        "scriptorium_database_wait_seconds": "How long work has waited for a database connection.",
        "scriptorium_http_connections": "Connections that are open.",
        "scriptorium_http_request_seconds": "From a request's headers to its answer, waits for jobs included.",
        "scriptorium_http_requests_total": "Answered HTTP requests.",
        "scriptorium_interpreter_starts_total": "Interpreter processes started.",
        "scriptorium_job_wait_seconds":
            "From the acceptance of a job to its first claim; jobs that were put off do not count.",
        "scriptorium_jobs_accepted_total": "Jobs written by this ingress.",
        "scriptorium_jobs_finished_total": "Jobs whose end this process has written.",
        "scriptorium_leases_lost_total": "Leases that this worker has lost, and with them what it ran.",
        "scriptorium_limit_hits_total": "Attempts in which a limit fired.",
        "scriptorium_outside_calls_total": "Calls of scripts that leave the installation.",
        "scriptorium_queue_dead_tuples": "Rows of the queue's hot tables that vacuum has yet to remove.",
        "scriptorium_queue_delayed_jobs": "Jobs that wait for their time, of the whole installation, up to 100000.",
        "scriptorium_queue_oldest_snapshot_seconds":
            "Age of the oldest transaction that keeps dead rows of this database; 0 where there is none.",
        "scriptorium_queue_oldest_seconds": "How long the job that is next has waited, of the whole installation.",
        "scriptorium_queue_ready_jobs": "Jobs that could run, of the whole installation, up to 100000.",
        "scriptorium_queue_running_jobs": "Jobs that run, of the whole installation.",
        "scriptorium_quota_refusals_total": "Calls that were refused because a quota of their tenant was reached.",
        "scriptorium_results_refused_total": "Results that came after their attempt had lost its job.",
        "scriptorium_sandbox_tier":
            "How well this process contains scripts: 0 not at all, 1 tier C, 2 tier B, 3 tier A.",
        "scriptorium_script_api_calls_total": "Calls of platform.api and questions of scripts, refused ones included.",
        "scriptorium_script_bytes_total": "What went into scripts and what came out of them, through platform.api too.",
        "scriptorium_script_cpu_seconds_total": "Processor time of scripts.",
        "scriptorium_script_log_bytes_total": "What scripts printed.",
        "scriptorium_script_run_seconds": "How long scripts ran.",
        "scriptorium_script_wait_seconds": "How long scripts have waited for a process.",
        "scriptorium_slots": "Jobs that this worker can run at once, by what they do now.",
        "scriptorium_worker_slots": "Jobs that the workers that live can run at once.",
        "scriptorium_workers": "Workers that live, of the whole installation.",
    ])

    /// Takes in everything that is recorded from now on. Called once, before anything is.
    static func begin() { MetricsSystem.bootstrap(registry) }

    /// How well the process contains scripts.
    static func tier(_ tier: SandboxTier) { Meter(label: "scriptorium_sandbox_tier").set(tier.rank) }

    /// Everything so far, in Prometheus' text form.
    static let text: @Sendable () -> String = { registry.text() }
}
