import Outbound
import Testing

/// Answers that are read as they come.
@Suite(.timeLimit(.minutes(1))) struct StreamTests {
    private let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test func theHeadAndEachPieceComeBeforeTheEnd() async throws {
        // The server goes on when the client has seen what came before.
        let gathering = Gathering(of: 2)
        try await withServer({ [head] _, connection in
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head)
            for part in ["1\r\na\r\n", "1\r\nb\r\n", "0\r\n\r\n"] {
                gathering.wait()
                connection.send(part)
            }
        }) { server, client in
            let stream = try await client.stream(HTTPCall(url: server.url))
            #expect(stream.status == 200)
            #expect(stream.header("content-type") == "text/plain")
            #expect(stream.headers.count == 2)
            gathering.wait()
            var pieces = stream.body.makeAsyncIterator()
            #expect(try await pieces.next() == Array("a".utf8))
            gathering.wait()
            #expect(try await pieces.next() == Array("b".utf8))
            gathering.wait()
            #expect(try await pieces.next() == nil)
            // The connection is good for the next call.
            #expect(server.accepted == 1)
        }
    }

    @Test func aConnectionThatBreaksThrowsBehindWhatHasCome() async throws {
        try await withServer({ [head] _, connection in
            connection.send(head + "5\r\nHello\r\n")
            connection.hangUp()
        }) { server, client in
            let stream = try await client.stream(HTTPCall(url: server.url))
            var text: [UInt8] = []
            let error = await #expect(throws: OutboundError.self) {
                for try await piece in stream.body { text += piece }
            }
            #expect(error?.code == .protocolError)
            #expect(text == Array("Hello".utf8))
        }
    }

    @Test func whoeverStopsReadingHangsUp() async throws {
        try await withServer({ [head] _, connection in
            connection.send(head + "1\r\na\r\n")
            connection.waitForHangUp()
        }) { server, client in
            try await Self.readOne(try await client.stream(HTTPCall(url: server.url)))
            try await server.sees(.hungUp)
        }
    }

    private static func readOne(_ stream: consuming HTTPStream) async throws {
        for try await _ in stream.body { break }
    }

    @Test func anAnswerWithoutABodyEnds() async throws {
        try await withServer({ _, connection in
            connection.reply(status: "404 Not Found")
        }) { server, client in
            let stream = try await client.stream(HTTPCall(url: server.url))
            #expect(stream.status == 404)
            for try await _ in stream.body { Issue.record("there is no body") }
        }
    }

    @Test func nobodyThereIsAnErrorAtOnce() async throws {
        try await withClient { client in
            let (socket, port) = try Socket.bound()
            _ = socket
            let error = await #expect(throws: OutboundError.self) {
                try await client.stream(HTTPCall(url: "http://127.0.0.1:\(port)"))
            }
            #expect(error?.code == .couldNotConnect)
        }
    }

    @Test func theTimeCountsToTheLastByte() async throws {
        try await withServer({ [head] _, connection in
            connection.send(head)
            connection.waitForHangUp()
        }) { server, client in
            let stream = try await client.stream(HTTPCall(url: server.url, timeout: .milliseconds(300)))
            let error = await #expect(throws: OutboundError.self) { for try await _ in stream.body {} }
            #expect(error?.code == .timedOut)
        }
    }
}
