import Outbound
import Synchronization
import Testing

/// How calls share connections.
@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    @Test func aConnectionServesOneCallAfterAnother() async throws {
        try await withServer(echo) { server, client in
            for method in ["GET", "POST", "DELETE", "PATCH", "GET"] {
                let reply = try await client.send(HTTPCall(method: method, url: server.url, body: [1, 2, 3]))
                #expect(reply.header("X-Connection") == "1")
            }
            #expect(server.accepted == 1)
        }
    }

    @Test func twoHundredCallsAreUnderWayAtOnce() async throws {
        let gathering = Gathering(of: 200)
        try await withServer({ request, connection in
            // Nobody is answered before all have come.
            gathering.wait()
            connection.reply(request.body)
        }) { server, client in
            // The second time finds all connections open.
            for _ in 0..<2 {
                try await sendAll(200, to: server, by: client)
                #expect(server.accepted == 200)
            }
        }
    }

    @Test func callsBeyondTheConnectionsWaitTheirTurn() async throws {
        try await withServer(maxConnections: 3, { request, connection in connection.reply(request.body) }) {
            server, client in
            try await sendAll(200, to: server, by: client)
            #expect(server.accepted <= 3)
        }
    }

    @Test func aClosedConnectionIsReplaced() async throws {
        try await withServer({ _, connection in
            connection.reply()
            connection.hangUp()
        }) { server, client in
            for _ in 0..<20 {
                let reply = try await client.send(HTTPCall(method: "POST", url: server.url, body: [1]))
                #expect(reply.status == 200)
            }
            #expect(server.accepted == 20)
        }
    }

    @Test func connectionCloseIsHonoured() async throws {
        try await withServer({ _, connection in connection.reply(headers: ["Connection: close"]) }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.status == 200)
            try await server.sees(.hungUp)
            let second = try await client.send(HTTPCall(url: server.url))
            #expect(second.status == 200)
            #expect(server.accepted == 2)
        }
    }

    @Test func oneThatFailsLeavesTheOthersAlone() async throws {
        try await withServer({ request, connection in
            request.target == "/bad" ? connection.hangUp() : connection.reply(request.body)
        }) { server, client in
            async let bad: Void = withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        let call = HTTPCall(url: "\(server.url)/bad")
                        try await expect(.protocolError, of: call, by: client)
                    }
                }
                try await group.waitForAll()
            }
            try await sendAll(100, to: server, by: client)
            try await bad
        }
    }

    /// Sends `count` calls at once; each must get its own answer.
    private func sendAll(_ count: Int, to server: LoopbackServer, by client: HTTPClient) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                group.addTask {
                    let body = Array("call \(number)".utf8)
                    let reply = try await client.send(HTTPCall(method: "POST", url: server.url, body: body))
                    #expect(reply.body == body)
                }
            }
            try await group.waitForAll()
        }
    }
}
