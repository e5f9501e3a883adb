import Glibc
import Outbound
import Testing

/// What is thrown where no answer comes.
@Suite(.timeLimit(.minutes(1))) struct FailureTests {
    @Test func whereNobodyListensItCouldNotConnect() async throws {
        // Bound and held, so that no other test gets the port.
        let (socket, port) = try Socket.bound()
        defer { close(socket) }
        try await withClient { client in
            let error = try await failure(of: HTTPCall(url: "http://127.0.0.1:\(port)/secret"), by: client)
            #expect(error.code == .couldNotConnect)
            #expect(!error.description.contains("secret"))
        }
    }

    @Test func aHostThatDoesNotExistCouldNotBeReached() async throws {
        try await withClient { client in
            // No label may be that long (RFC 1035, 2.3.4), so that no network is asked.
            let name = String(repeating: "a", count: 64)
            let error = try await failure(of: HTTPCall(url: "http://\(name).invalid/"), by: client)
            #expect(error.code == .couldNotConnect)
        }
    }

    @Test func aServerWithoutTLSIsNotSpokenToOverHTTPS() async throws {
        try await withServer(echo) { server, client in
            let error = try await failure(of: HTTPCall(url: "https://127.0.0.1:\(server.port)"), by: client)
            #expect(error.code == .couldNotConnect)
        }
    }

    @Test func aServerThatSaysNothingTimesOut() async throws {
        try await withServer(silence) { server, client in
            let start = ContinuousClock.now
            let error = try await failure(of: HTTPCall(url: server.url, timeout: .milliseconds(200)), by: client)
            let took = ContinuousClock.now - start
            #expect(error.code == .timedOut)
            #expect(took >= .milliseconds(199))
            #expect(took < .seconds(10))
            try await server.sees(.hungUp)
        }
    }

    @Test func theWaitForAConnectionCountsAsWell() async throws {
        try await withServer(maxConnections: 1, silence) { server, client in
            let first = Task { try await client.send(HTTPCall(url: "\(server.url)/first")) }
            try await server.sees(.requested("/first"))
            let error = try await failure(of: HTTPCall(url: server.url, timeout: .milliseconds(200)), by: client)
            #expect(error.code == .timedOut)
            #expect(server.accepted == 1)
            first.cancel()
            _ = await first.result
        }
    }

    @Test(arguments: [Duration.zero, .seconds(-5), .nanoseconds(1)])
    func noTimeAtAllTimesOut(timeout: Duration) async throws {
        try await withServer(silence) { server, client in
            try await expect(.timedOut, of: HTTPCall(url: server.url, timeout: timeout), by: client)
        }
    }

    @Test(arguments: [Duration.seconds(1 << 40), .seconds(Int64.max), .milliseconds(Int64(UInt32.max) + 2)])
    func aVeryLongTimeIsNotCutShort(timeout: Duration) async throws {
        try await withServer(echo) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url, timeout: timeout))
            #expect(reply.status == 200)
        }
    }

    @Test(
        arguments: [
            "", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHel", "This is not HTTP.\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ])
    func halfAnAnswerIsNone(bytes: String) async throws {
        try await withServer({ _, connection in
            connection.send(bytes)
            connection.hangUp()
        }) { server, client in
            try await expect(.protocolError, of: HTTPCall(url: server.url), by: client)
        }
    }

    @Test func aBodyThatNobodyTakesIsAnError() async throws {
        try await withServer({ _, connection in connection.hangUp() }) { server, client in
            // The server reads up to the blank line only: the header names no length that it knows.
            let call = HTTPCall(
                method: "POST", url: server.url, headers: [("Transfer-Encoding", "chunked")],
                body: [UInt8](repeating: 0, count: 32 << 20))
            try await expect(.protocolError, of: call, by: client)
        }
    }

    @Test func anAnswerPastItsLimitIsDropped() async throws {
        try await withServer({ _, connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            // Without end: only the client's going away stops it.
            while connection.send([UInt8](repeating: 1, count: 64 << 10)) {}
        }) { server, client in
            let error = try await failure(of: HTTPCall(url: server.url, replyLimit: 1 << 20), by: client)
            #expect(error.code == .tooLarge)
            try await server.sees(.hungUp)
        }
    }

    @Test func theLimitIs64MebibytesUnlessSaid() async throws {
        try await withServer({ request, connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\n")
            let part = [UInt8](repeating: 1, count: 1 << 20)
            // The head takes a little of the 64.
            for _ in 0..<(request.target == "/below" ? 63 : 64) where !connection.send(part) { return }
            connection.hangUp()
        }) { server, client in
            let reply = try await client.send(HTTPCall(url: "\(server.url)/below"))
            #expect(reply.body.count == 63 << 20)
            try await expect(.tooLarge, of: HTTPCall(url: "\(server.url)/above"), by: client)
        }
    }

    @Test func headersWithoutEndPassTheLimitToo() async throws {
        try await withServer({ _, connection in
            connection.send("HTTP/1.1 200 OK\r\n")
            while connection.send("X-More: \(String(repeating: "a", count: 8000))\r\n") {}
        }) { server, client in
            let error = try await failure(of: HTTPCall(url: server.url, replyLimit: 64 << 10), by: client)
            #expect(error.code == .tooLarge)
        }
    }

    @Test func anAnswerOfExactlyTheLimitPasses() async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello"
        try await withServer({ _, connection in connection.send(answer) }) { server, client in
            let limit = answer.utf8.count
            let reply = try await client.send(HTTPCall(url: server.url, replyLimit: limit))
            #expect(reply.text == "Hello")
            try await expect(.tooLarge, of: HTTPCall(url: server.url, replyLimit: limit - 1), by: client)
        }
    }
}
