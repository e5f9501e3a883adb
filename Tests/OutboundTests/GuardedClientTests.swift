import Core
import Outbound
import Testing

/// The guard between libcurl and the network, with servers on this machine's own addresses.
@Suite(.timeLimit(.minutes(1))) struct GuardedClientTests {
    private static let here = EgressRules(.allow(["127.0.0.1"]))

    private func send(
        _ call: HTTPCall, _ url: String, _ rules: EgressRules = here, redirects: Int = 3,
        by client: GuardedClient = GuardedClient()
    ) async throws -> HTTPReply {
        try await client.send(
            call, to: try #require(WebURL(url)), under: rules, redirects: redirects, mayFollow: { $0.path != "/own" }
        ).reply
    }

    private func failure(_ url: String, _ rules: EgressRules = here) async throws -> GuardedClient.Failure {
        try #require(
            await #expect(throws: GuardedClient.Failure.self) { try await send(HTTPCall(url: ""), url, rules) })
    }

    @Test func anAddressThatIsNotAllowedIsNotDialled() async throws {
        let server = try LoopbackServer(echo)
        defer { server.stop() }
        for (url, rules) in [
            (server.url, EgressRules(.platform)), (server.url, EgressRules(.none)),
            ("http://localhost:\(server.port)", EgressRules(.platform)), ("http://127.0.0.2:\(server.port)", Self.here),
            ("http://[::ffff:127.0.0.2]:\(server.port)", Self.here), ("http://2130706434:\(server.port)", Self.here),
        ] {
            #expect(try await failure(url, rules).error.code == .refused, "\(url)")
        }
        #expect(server.accepted == 0)
        for (url, rules) in [
            (server.url, Self.here), ("http://localhost:\(server.port)", EgressRules(.allow(["LOCALHOST"]))),
        ] {
            #expect(try await send(HTTPCall(url: ""), url, rules).status == 200)
        }
    }

    @Test func noConnectionIsUsedTwice() async throws {
        let server = try LoopbackServer(echo)
        defer { server.stop() }
        let client = GuardedClient()
        for turn in 1...3 {
            let reply = try await send(HTTPCall(url: ""), server.url, by: client)
            #expect(reply.header("X-Connection") == "\(turn)")
        }
    }

    @Test func aRedirectIsJudgedLikeTheFirstPlace() async throws {
        let server = try LoopbackServer { request, connection in
            let place = String(request.target.dropFirst())
            if place.isEmpty {
                connection.reply(Array("there".utf8))
            } else {
                connection.reply(status: "302 Found", headers: ["Location: \(place.replacing("!", with: ":"))"])
            }
        }
        defer { server.stop() }
        #expect(try await send(HTTPCall(url: ""), "\(server.url)/http!//127.0.0.1!\(server.port)/").text == "there")
        #expect(
            try await send(HTTPCall(url: ""), "\(server.url)/http!//127.0.0.1!\(server.port)/", redirects: 0).status
                == 302)
        for place in [
            "http!//127.0.0.2!\(server.port)/", "http!//localhost/own", "file!///etc/passwd", "gopher!//127.0.0.1/",
        ] {
            #expect(try await failure("\(server.url)/\(place)").error.code == .refused, "\(place)")
        }
        // In a circle, to the end of what is followed.
        #expect(try await failure("\(server.url)/x").error.code == .refused)
    }

    @Test func answersThatArriveTogetherShareTheirAllowance() async throws {
        let server = try LoopbackServer { _, connection in connection.reply([UInt8](repeating: 1, count: 60_000)) }
        defer { server.stop() }
        var call = HTTPCall(url: "")
        call.allowance = ByteAllowance(100_000)
        for _ in 0..<3 { #expect(try await send(call, server.url).body.count == 60_000) }
        call.allowance = ByteAllowance(50_000)
        let failure = await #expect(throws: GuardedClient.Failure.self) { try await send(call, server.url) }
        #expect(failure?.error.code == .tooLarge)
    }

    @Test(arguments: ["a.example", "x", "10.0.0.0/8", "fd00::/8", "127.0.0.1", "a_b.c-d", "xn--kse-qla.example"])
    func isAnEntry(text: String) { #expect(EgressRules.complaint(about: text) == nil) }

    @Test(arguments: [
        "", ".", "a.", "-a", "a-", "a b", "a/b", "http://a", "a:80", "10.0.0.0/33", "127.1", "1", "*.a", "ä",
    ])
    func isNoEntry(text: String) { #expect(EgressRules.complaint(about: text)?.contains("neither a host") == true) }
}
