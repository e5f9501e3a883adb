import Outbound
import Testing

/// How calls and clients end before their time.
@Suite(.timeLimit(.minutes(1))) struct CancellationTests {
    @Test func cancellingTheTaskHangsUp() async throws {
        try await withServer(silence) { server, client in
            let call = Task { try await client.send(HTTPCall(url: "\(server.url)/a")) }
            try await server.sees(.requested("/a"))
            let start = ContinuousClock.now
            call.cancel()
            let error = await #expect(throws: OutboundError.self) { try await call.value }
            #expect(error?.code == .cancelled)
            try await server.sees(.hungUp)
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        try await withServer(echo) { server, client in
            let call = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await client.send(HTTPCall(url: server.url))
            }
            let error = await #expect(throws: OutboundError.self) { try await call.value }
            #expect(error?.code == .cancelled)
            #expect(server.accepted == 0)
        }
    }

    @Test func aCallThatWaitsForAConnectionCanBeCancelled() async throws {
        try await withServer(maxConnections: 1, silence) { server, client in
            let first = Task { try await client.send(HTTPCall(url: "\(server.url)/first")) }
            try await server.sees(.requested("/first"))
            let second = Task { try await client.send(HTTPCall(url: "\(server.url)/second")) }
            second.cancel()
            #expect(await outcome(of: second) == .cancelled)
            first.cancel()
            #expect(await outcome(of: first) == .cancelled)
            #expect(server.accepted == 1)
        }
    }

    /// Cancellation at any moment of a call's life hits that call or none.
    @Test func cancellingHitsNoOtherCall() async throws {
        try await withServer(maxConnections: 32, { request, connection in connection.reply(request.body) }) {
            server, client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        let body = Array("\(number)".utf8)
                        let call = HTTPCall(method: "POST", url: server.url, body: body)
                        for round in 0..<60 {
                            let doomed = Task { try await client.send(call) }
                            for _ in 0..<round { await Task.yield() }
                            doomed.cancel()
                            let reply = try await client.send(call)
                            #expect(reply.body == body)
                            let outcome = await outcome(of: doomed)
                            #expect(outcome == nil || outcome == .cancelled)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func closingEndsTheCallsUnderWay() async throws {
        try await withServer(silence) { server, client in
            let calls = (0..<20).map { number in
                Task { try await client.send(HTTPCall(url: "\(server.url)/\(number)")) }
            }
            var begun = 0
            for await event in server.events where event != .hungUp {
                begun += 1
                if begun == calls.count { break }
            }
            await client.close()
            for call in calls { #expect(await outcome(of: call) == .cancelled) }
        }
    }

    @Test func aClosedClientRefuses() async throws {
        try await withServer(echo) { server, client in
            await client.close()
            let error = try await failure(of: HTTPCall(url: server.url), by: client)
            #expect(error.code == .cancelled)
            #expect(error.message == "The client is closed.")
            #expect(server.accepted == 0)
        }
    }

    @Test func closingWhileOthersSendCloseAndCancelLosesNobody() async throws {
        try await withServer(echo) { server, _ in
            for _ in 0..<50 {
                let client = HTTPClient()
                let calls = (0..<10).map { _ in Task { try await client.send(HTTPCall(url: server.url)) } }
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<3 { group.addTask { await client.close() } }
                    for call in calls.prefix(5) { group.addTask { call.cancel() } }
                }
                for call in calls {
                    let outcome = await outcome(of: call)
                    #expect(outcome == nil || outcome == .cancelled)
                }
            }
        }
    }

    @Test func aForgottenClientHangsUp() async throws {
        let server = try LoopbackServer(echo)
        defer { server.stop() }
        #expect(try await HTTPClient().send(HTTPCall(url: server.url)).status == 200)
        try await server.sees(.hungUp)
    }

    /// Why the call failed; nil where it did not.
    private func outcome(of call: Task<HTTPReply, any Error>) async -> OutboundError.Code? {
        switch await call.result {
        case .success: nil
        case .failure(let error): (error as? OutboundError)?.code ?? .other
        }
    }
}
