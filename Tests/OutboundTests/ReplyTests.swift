import Outbound
import Testing

/// What comes back.
@Suite(.timeLimit(.minutes(1))) struct ReplyTests {
    @Test func headersAreKeptAsReceived() async throws {
        try await withServer({ _, connection in
            connection.reply(
                status: "418 I'm a teapot",
                headers: [
                    "Set-Cookie: a=1", "set-cookie: b=2; Path=/", "X-Empty:", "X-Wide:\t a : b \t", "X-Accent: é",
                ])
        }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.status == 418)
            #expect(
                reply.headers.map { "\($0.name)=\($0.value)" } == [
                    "Content-Length=0", "X-Connection=1", "Set-Cookie=a=1", "set-cookie=b=2; Path=/", "X-Empty=",
                    "X-Wide=a : b", "X-Accent=é",
                ])
            #expect(reply.header("SET-COOKIE") == "a=1")
            #expect(reply.header("x-empty") == "")
            #expect(reply.header("X-None") == nil)
        }
    }

    @Test func aMarkAfterTheColonHidesNoHeader() async throws {
        try await withServer({ _, connection in connection.reply(headers: ["X-Mark:\u{301}a"]) }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.header("X-Mark") == "\u{301}a")
        }
    }

    @Test func errorsOfTheServerAreAnswers() async throws {
        try await withServer({ _, connection in
            connection.reply(Array("later".utf8), status: "503 Service Unavailable")
        }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.status == 503)
            #expect(reply.text == "later")
        }
    }

    @Test func aChunkedAnswerIsPutTogether() async throws {
        try await withServer({ _, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for part in ["5\r\nHello\r\n", "8;x=y\r\n, world\n\r\n", "0\r\n\r\n"] { connection.send(part) }
        }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.text == "Hello, world\n")
            let second = try await client.send(HTTPCall(url: server.url))
            #expect(second.text == "Hello, world\n")
            #expect(server.accepted == 1)
        }
    }

    @Test func anAnswerWithoutALengthEndsWithItsConnection() async throws {
        try await withServer({ _, connection in
            connection.send("HTTP/1.1 200 OK\r\n\r\nall")
            connection.hangUp()
        }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.text == "all")
        }
    }

    @Test func interimAnswersAreSkipped() async throws {
        try await withServer({ _, connection in
            connection.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            connection.reply(Array("done".utf8), status: "201 Created")
        }) { server, client in
            let reply = try await client.send(HTTPCall(method: "POST", url: server.url, body: [1]))
            #expect(reply.status == 201)
            #expect(reply.text == "done")
            #expect(reply.header("Link") == nil)
        }
    }

    @Test func redirectsAreNotFollowed() async throws {
        try await withServer({ _, connection in
            connection.reply(status: "302 Found", headers: ["Location: /elsewhere"])
        }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.status == 302)
            #expect(reply.header("location") == "/elsewhere")
            #expect(server.accepted == 1)
        }
    }

    @Test func theAnswerToHEADHasNoBody() async throws {
        try await withServer({ _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        }) { server, client in
            let reply = try await client.send(HTTPCall(method: "HEAD", url: server.url))
            #expect(reply.header("Content-Length") == "5")
            #expect(reply.body.isEmpty)
        }
    }

    @Test(arguments: [204, 304]) func someStatusesHaveNoBody(status: Int) async throws {
        try await withServer({ _, connection in connection.send("HTTP/1.1 \(status) X\r\n\r\n") }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.status == status)
            #expect(reply.body.isEmpty)
        }
    }

    @Test func aBigAnswerArrivesWhole() async throws {
        let body = (0..<(8 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try await withServer({ _, connection in connection.reply(body) }) { server, client in
            let reply = try await client.send(HTTPCall(url: server.url))
            #expect(reply.body == body)
        }
    }
}
