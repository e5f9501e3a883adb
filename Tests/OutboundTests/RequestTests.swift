import Outbound
import Testing

/// What goes out.
@Suite(.timeLimit(.minutes(1))) struct RequestTests {
    @Test(arguments: ["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
    func anyMethodCarriesABody(method: String) async throws {
        try await withServer(echo) { server, client in
            let body = Array("{\"a\":\"é\"}".utf8) + [0, 1, 255]
            let reply = try await client.send(HTTPCall(method: method, url: "\(server.url)/a%20b?c=d", body: body))
            #expect(reply.status == 200)
            #expect(reply.text.hasPrefix("\(method) /a%20b?c=d HTTP/1.1\n"))
            #expect(reply.text.contains("\nContent-Length: \(body.count)\n"))
            #expect(reply.body.suffix(body.count) == body[...])
        }
    }

    @Test(arguments: ["GET", "DELETE", "OPTIONS"])
    func withoutABodyNothingIsSaidOfOne(method: String) async throws {
        try await withServer(echo) { server, client in
            let reply = try await client.send(HTTPCall(method: method, url: server.url))
            #expect(reply.text.hasPrefix("\(method) / HTTP/1.1\n"))
            #expect(!reply.text.lowercased().contains("content-"))
        }
    }

    @Test(arguments: ["POST", "PUT", "PATCH"])
    func anEmptyBodyHasItsLength(method: String) async throws {
        try await withServer(echo) { server, client in
            let reply = try await client.send(HTTPCall(method: method, url: server.url))
            #expect(reply.text.contains("\nContent-Length: 0\n"))
        }
    }

    @Test func aBodyOfMegabytesArrivesAtOnce() async throws {
        let body = (0..<(3 << 19)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await withServer(echo) { server, client in
            let reply = try await client.send(HTTPCall(method: "POST", url: server.url, body: body))
            // An Expect header would make the server's silence cost a second.
            let head = String(decoding: reply.body.dropLast(body.count), as: UTF8.self)
            #expect(head.contains("\nContent-Length: \(body.count)\n"))
            #expect(!head.lowercased().contains("\nexpect:"))
            #expect(reply.body.suffix(body.count) == body[...])
        }
    }

    @Test func headersArriveAsTheyAre() async throws {
        try await withServer(echo) { server, client in
            let reply = try await client.send(
                HTTPCall(
                    method: "POST", url: server.url,
                    headers: [
                        ("X-One", "a: b; c"), ("x-Two", "1"), ("x-Two", "2"), ("X-Empty", ""), ("X-Blank", "  "),
                        ("X-Accent", "é"), ("Content-Type", "application/json"), ("Accept", "text/plain"),
                    ], body: [1]))
            let lines = reply.text.split(separator: "\n").dropFirst().filter { !$0.hasPrefix("Host: ") }
            #expect(
                lines.dropLast() == [
                    "X-One: a: b; c", "x-Two: 1", "x-Two: 2", "X-Empty:", "X-Blank:",
                    "X-Accent: é", "Content-Type: application/json", "Accept: text/plain", "Content-Length: 1",
                ])
        }
    }

    @Test func noTypeIsGuessedForABody() async throws {
        try await withServer(echo) { server, client in
            let reply = try await client.send(HTTPCall(method: "POST", url: server.url, body: [1]))
            #expect(!reply.text.lowercased().contains("content-type"))
        }
    }

    @Test(
        arguments: [
            ("X-A", "b\r\nX-Evil: 1"), ("X-A", "b\nX-Evil: 1"), ("X-A", "b\r"), ("X-A", "b\u{0}"), ("X-A", "b\u{7f}"),
            ("X-A\r\nX-Evil", "1"), ("X A", "1"), ("X-A:", "1"), ("X-A;", ""), ("", "1"), ("X-É", "1"),
        ])
    func aHeaderThatWouldMakeAnotherRequestIsRefused(name: String, value: String) async throws {
        try await withServer(echo) { server, client in
            let error = try await failure(of: HTTPCall(url: server.url, headers: [(name, value)]), by: client)
            #expect(error.code == .invalid)
            #expect(!error.message.contains("Evil"))
            #expect(server.accepted == 0)
        }
    }

    @Test(arguments: ["", "GET /evil HTTP/1.1\r\nX:", "G T", "GÉT"])
    func aMethodThatIsNoWordIsRefused(method: String) async throws {
        try await withServer(echo) { server, client in
            try await expect(.invalid, of: HTTPCall(method: method, url: server.url), by: client)
            #expect(server.accepted == 0)
        }
    }

    @Test(
        arguments: [
            "file:///etc/hostname", "gopher://127.0.0.1/", "127.0.0.1:80", "", "http://", "http:///x",
            "http://127.0.0.1:99999/", "http://127.0.0.1/\r\nX: y", "http://127.0.0.1/a b",
            "http://127.0.0.1/" + String(repeating: "a", count: 8_000_001),
        ])
    func anythingButAnHTTPAddressIsRefused(url: String) async throws {
        try await withClient { client in
            try await expect(.invalid, of: HTTPCall(url: url), by: client)
        }
    }

    @Test func theSchemeMayBeWrittenLarge() async throws {
        try await withServer(echo) { server, client in
            let reply = try await client.send(HTTPCall(url: "HTTP://127.0.0.1:\(server.port)"))
            #expect(reply.status == 200)
        }
    }
}
