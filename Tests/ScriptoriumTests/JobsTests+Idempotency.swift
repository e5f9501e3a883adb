import Core
import Outbound
import TestSupport
import Testing

/// Idempotency keys (contract.md §4).
extension JobsTests {
    @Test func eightRacingCallsWithOneKeyRunOnce() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "count", "python3", "import os, time\ntime.sleep(0.3)\nreturn {'pid': os.getpid(), 'at': time.time_ns()}")
        let key = [(name: "Idempotency-Key", value: "race-\(tenant.name)")]
        let replies = try await withThrowingTaskGroup(of: HTTPReply.self) { group in
            for number in 0..<8 {
                group.addTask {
                    try await tenant.send("POST", "/api/v2/count", #"{"a":1}"#, headers: key, ingress: number)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(replies.allSatisfy { $0.status == 200 })
        #expect(Set(replies.map(\.text)).count == 1)
        #expect(Set(replies.map { $0.header("X-Scriptorium-Job") }).count == 1)
        #expect(try await job(tenant, "/api/v2/jobs")["resource"]?.elements.count == 1)
        #expect(
            try await job(tenant, "/api/v2/jobs")["resource"]?.elements.first?["idempotency_key"]?.string
                == key[0].value)

        // Whoever asks later, and however, gets the same; another body, path or method does not.
        #expect(
            try await tenant.send("POST", "/api/v2/count", #"{"a":1}"#, headers: key + asynchronous).text
                == replies[0].text)
        for (method, path, body) in [
            ("POST", "/api/v2/count", #"{"a":2}"#), ("PUT", "/api/v2/count", #"{"a":1}"#),
            ("POST", "/api/v2/count/x", #"{"a":1}"#), ("POST", "/api/v2/count?x=1", #"{"a":1}"#),
        ] {
            let other = try await tenant.send(method, path, body, headers: key)
            #expect(other.status == 422, "\(method) \(path) \(body)")
        }
        // Another app's key of the same name is another key.
        let foreign = try await self.tenant()
        try await foreign.save("count", "python3", "return 'other'")
        #expect(try await foreign.send("POST", "/api/v2/count", #"{"a":1}"#, headers: key).text == #""other""#)
    }

    /// What a user was answered is not for somebody else who sends the same with the same app's key.
    @Test func aKeyIsItsUsersOwn() async throws {
        let tenant = try await tenant()
        try await tenant.save("me", "python3", "return platform.session.user.email if platform.session.user else None")
        let key = [(name: "Idempotency-Key", value: "me-1")]
        let session = [(name: "X-DreamFactory-Session-Token", value: tenant.token)]
        let admin = try await tenant.send("GET", "/api/v2/me", headers: key + session)
        #expect(admin.text == #""\#(tenant.email)""#)
        let app = try await tenant.send("GET", "/api/v2/me", headers: key)
        #expect(!app.text.contains(tenant.email), "\(app.status) \(app.text)")
        #expect(app.header("X-Scriptorium-Job") != admin.header("X-Scriptorium-Job"))
        let again = try await tenant.send("GET", "/api/v2/me", headers: key + session)
        #expect(again.header("X-Scriptorium-Job") == admin.header("X-Scriptorium-Job"))
    }

    @Test func aRunningJobIsJoinedOrNamed() async throws {
        let tenant = try await tenant()
        try await tenant.save("slow", "python3", "import time\ntime.sleep(1.5)\nreturn 'done'")
        let key = [(name: "Idempotency-Key", value: "k")]
        let first = try await tenant.send("GET", "/api/v2/slow", headers: key + asynchronous, ingress: 0)
        let second = try await tenant.send("GET", "/api/v2/slow", headers: key + asynchronous, ingress: 1)
        #expect(first.status == 202 && second.status == 202)
        #expect(first.header("Location") == second.header("Location"))
        #expect(try await tenant.send("GET", "/api/v2/slow", headers: key, ingress: 1).text == #""done""#)
    }

    @Test func aKeyThatIsTooLongIsRefused() async throws {
        let tenant = try await tenant()
        try await tenant.save("keyed", "python3", "return 1")
        let key = String(repeating: "k", count: 256)
        let reply = try await tenant.send("GET", "/api/v2/keyed", headers: [(name: "Idempotency-Key", value: key)])
        #expect(reply.status == 400)
        #expect(reply.text.contains("Idempotency-Key"))
    }
}
