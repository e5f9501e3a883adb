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
            /// What its caller was told, where it has waited for that.
            var answer: String?
        }

        /// Jobs that had their 202.
        var accepted: [Promise] = []
        /// Jobs whose callers have waited for the answer and had it.
        var awaited: [Promise] = []
        /// How many calls were answered as they should.
        var answered = 0
        /// How many have come to their end, whatever that was.
        var ended = 0
        /// What went wrong otherwise.
        var failures: [String] = []
    }

    private let tenant: TestTenant
    private let pause: Duration?
    private let tally = Mutex(Tally())
    private let answers = Mutex<[String: String]>([:])
    private let isOver = Atomic(false)
    private let numbers = Atomic(0)

    /// - Parameters:
    ///   - tenant: has the service `echo`, which answers the payload's `n`, or an object with that.
    ///   - pause: of every caller after a call.
    init(_ tenant: TestTenant, pause: Duration? = nil) {
        self.tenant = tenant
        self.pause = pause
    }

    /// Whether it is what the job with this number must answer.
    static func isAnswer(_ text: String, to number: Int) -> Bool {
        text == "\(number)" || (try? JSONText(checking: text))?["n"]?.integer == number
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
            tally.withLock { $0.ended += 1 }
            if let pause { try? await Task.sleep(for: pause) }
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
            } else if reply.status == 200, Self.isAnswer(reply.text, to: number) {
                tally.answered += 1
                if let job = reply.header("X-Scriptorium-Job") {
                    tally.awaited.append(
                        Tally.Promise(
                            path: "/api/v2/jobs/\(job)", number: number, isAsynchronous: asynchronous,
                            answer: reply.text))
                }
            } else {
                tally.failures.append("\(reply.status) \(reply.text.prefix(300))")
            }
        }
    }

    /// What each job of a promise answers, by its path, as far as it was looked at.
    var seen: [String: String] { answers.withLock { $0 } }

    /// Looks that each job with a 202 has ended with its own answer, wherever it is asked for.
    /// - Returns: what is not so.
    func broken(of tenant: TestTenant, ingress: Int? = nil) async throws -> [String] {
        try await broken(of: tenant, now.accepted, ingresses: [ingress])
    }

    /// Looks that each job has ended with its own answer, and with the same for everybody who asks.
    /// - Returns: what is not so.
    func broken(
        of tenant: TestTenant, _ promises: [Tally.Promise], ingresses: [Int?] = [0, 1]
    ) async throws -> [String] {
        let lanes = 6
        return try await withThrowingTaskGroup(of: [String].self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var broken: [String] = []
                    for index in stride(from: lane, to: promises.count, by: lanes) {
                        for ingress in ingresses {
                            if let fault = try await self.fault(promises[index], of: tenant, ingress) {
                                broken.append(fault)
                            }
                        }
                    }
                    return broken
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    private func fault(_ promise: Tally.Promise, of tenant: TestTenant, _ ingress: Int?) async throws -> String? {
        let reply = try await tenant.send(
            "GET", promise.path + "/response?wait=60", ingress: ingress, timeout: .seconds(90))
        // A job with one try can lose its worker, and says so.
        if reply.status == 503, !promise.isAsynchronous, promise.answer == nil, reply.text.contains("worker") {
            return nil
        }
        guard reply.status == 200, Self.isAnswer(reply.text, to: promise.number) else {
            return "\(promise) answers \(reply.status) \(reply.text.prefix(200))"
        }
        let first = answers.withLock { answers in
            if answers[promise.path] == nil { answers[promise.path] = promise.answer ?? reply.text }
            return answers[promise.path]
        }
        return first == reply.text ? nil : "\(promise) has answered \(first ?? ""), and answers \(reply.text)"
    }
}
