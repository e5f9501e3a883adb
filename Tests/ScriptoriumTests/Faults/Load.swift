import Core
import Outbound
import Synchronization
import TestSupport

/// Callers that send jobs without a pause, half of them waiting for the answer, and remember what they were promised.
final class Load: Sendable {
    struct Tally: Sendable {
        struct Promise: Sendable {
            let path: String
            /// What the job must answer.
            let number: Int
            /// Whether the caller asked for a job; the others waited in vain, and their jobs have one try.
            let isAsynchronous: Bool
        }

        /// Jobs that had their 202.
        var accepted: [Promise] = []
        /// How many calls were answered as they should.
        var answered = 0
        /// What went wrong otherwise.
        var failures: [String] = []
    }

    private let tenant: TestTenant
    private let tally = Mutex(Tally())
    private let isOver = Atomic(false)
    private let numbers = Atomic(0)

    /// - Parameter tenant: has the service `echo`, which answers the payload's `n`.
    init(_ tenant: TestTenant) {
        self.tenant = tenant
    }

    static let script = "return event.request.payload.n"

    var now: Tally { tally.withLock { $0 } }

    /// Calls while `body` runs.
    func during(callers: Int = 4, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<callers { group.addTask { await self.call(caller) } }
            do {
                try await body()
            } catch {
                isOver.store(true, ordering: .relaxed)
                throw error
            }
            isOver.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
    }

    private func call(_ caller: Int) async {
        while !isOver.load(ordering: .relaxed) {
            let number = numbers.add(1, ordering: .relaxed).newValue
            await call(number: number, asynchronous: caller % 2 == 0)
        }
    }

    /// As a load balancer does it: an ingress that takes no connection is passed over.
    private func call(number: Int, asynchronous: Bool) async {
        var why = ""
        for ingress in [number, number + 1] {
            do {
                let reply = try await tenant.send(
                    "POST", "/api/v2/echo", #"{"n":\#(number)}"#,
                    headers: [(name: "Prefer", value: asynchronous ? "respond-async" : "wait=30")], ingress: ingress)
                return note(reply, number, asynchronous)
            } catch let error as OutboundError where error.code == .couldNotConnect {
                why = "no ingress takes a connection"
            } catch {
                return tally.withLock { $0.failures.append("\(error)") }
            }
        }
        tally.withLock { [why] in $0.failures.append(why) }
    }

    private func note(_ reply: HTTPReply, _ number: Int, _ asynchronous: Bool) {
        tally.withLock { tally in
            if reply.status == 202, let path = reply.header("Location") {
                tally.accepted.append(Tally.Promise(path: path, number: number, isAsynchronous: asynchronous))
                if asynchronous { tally.answered += 1 }
            } else if reply.status == 200, reply.text == "\(number)" {
                tally.answered += 1
            } else {
                tally.failures.append("\(reply.status) \(reply.text.prefix(300))")
            }
        }
    }

    /// Looks that each job with a 202 has ended with its own answer, wherever it is asked for.
    /// - Returns: what is not so.
    func broken(of tenant: TestTenant, ingress: Int? = nil) async throws -> [String] {
        var broken: [String] = []
        for promise in now.accepted {
            let reply = try await tenant.send(
                "GET", promise.path + "/response?wait=60", ingress: ingress, timeout: .seconds(90))
            // A job with one try can lose its worker, and says so.
            if reply.status == 503, !promise.isAsynchronous, reply.text.contains("worker") { continue }
            if reply.status != 200 || reply.text != "\(promise.number)" {
                broken.append("\(promise) answers \(reply.status) \(reply.text.prefix(200))")
            }
        }
        return broken
    }
}
