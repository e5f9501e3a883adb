import Core
import JobQueue
import Logging
import Metrics
import Platform

extension HTTPEdge {
    /// `/metrics`: what this process has counted, and how the queue stands now, whichever process is asked.
    func exposition() async -> ServiceResponse {
        do {
            let depth = try await platform.queue.depth()
            set("scriptorium_queue_ready_jobs", depth.readySynchronous, [("kind", "synchronous")])
            set("scriptorium_queue_ready_jobs", depth.readyAsynchronous, [("kind", "asynchronous")])
            set("scriptorium_queue_delayed_jobs", depth.delayed)
            set("scriptorium_queue_running_jobs", depth.running)
            set("scriptorium_queue_oldest_seconds", depth.oldest.seconds)
            set("scriptorium_workers", depth.workers)
            set("scriptorium_worker_slots", depth.slots)
            set("scriptorium_database_up", 1)
        } catch {
            logger.debug("queue not measured", metadata: ["error": "\(error)"])
            // What was seen of the queue before stays, beside this.
            set("scriptorium_database_up", 0)
        }
        do {
            let vacuum = try await platform.queue.vacuumState()
            for (table, count) in vacuum.deadTuples {
                set("scriptorium_queue_dead_tuples", count, [("table", table)])
            }
            set("scriptorium_queue_oldest_snapshot_seconds", vacuum.oldestSnapshot.seconds)
        } catch {
            logger.debug("dead rows not measured", metadata: ["error": "\(error)"])
        }
        return ServiceResponse(
            headers: [(name: "Content-Type", value: "text/plain; version=0.0.4; charset=utf-8")],
            body: Array(metrics().utf8))
    }

    private func set(_ name: String, _ value: some BinaryInteger, _ labels: [(String, String)] = []) {
        set(name, Double(value), labels)
    }

    private func set(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
        Meter(label: name, dimensions: labels).set(value)
    }
}
