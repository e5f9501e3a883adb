import Core
import Glibc
import Outbound
import TestSupport
import Testing

/// What a client does on the wire, right and wrong, and what it gets (RFC 9112, contract.md §9).
@Suite struct EdgeTests {
    /// An ingress that waits for nobody for long.
    fileprivate struct Edge {
        let program: TestProgram
        let url: String
        let tenant: TestTenant

        static let shared = Task { try await Edge(["SCRIPTORIUM_LOG_LEVEL": "info"]) }

        init(_ settings: [String: String]) async throws {
            let installation = try await TestInstallation.shared()
            tenant = try await installation.tenant(quotas: #"{"max_body_bytes":100000}"#)
            try await tenant.save("echo", "python3", "return {'got': event.request.payload}")
            try await tenant.save("slow", "python3", "import time\ntime.sleep(4)\nreturn 'slept'")
            let quick = [
                "SCRIPTORIUM_HEADER_TIMEOUT_SECONDS": "1", "SCRIPTORIUM_BODY_TIMEOUT_SECONDS": "1",
                "SCRIPTORIUM_IDLE_TIMEOUT_SECONDS": "1.5", "SCRIPTORIUM_DATABASE_CONNECTIONS": "2",
            ]
            program = try await TestProgram(
                ["ingress"],
                environment: installation.environment.merging(quick) { $1 }.merging(settings) { $1 })
            url = try await program.line(after: "ready ")
        }

        func connect(_ text: String = "") throws -> RawConnection {
            let connection = try RawConnection(url)
            connection.send(text)
            return connection
        }

        func head(_ line: String, _ headers: String...) -> String {
            let all = ["Host: x", "X-API-Key: \(tenant.apiKey)", "Accept: application/json"] + headers
            return "\(line)\r\n" + all.map { $0 + "\r\n" }.joined() + "\r\n"
        }
    }

    /// The last response in what came, which must be an error in the documented shape and the connection's end.
    private func expectRefusal(
        _ text: String, _ status: Int, mentioning part: String = "", location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(text.hasPrefix("HTTP/1.1 \(status) "), "\(text)", sourceLocation: location)
        #expect(text.lowercased().contains("\r\nconnection: close\r\n"), "\(text)", sourceLocation: location)
        let end = try #require(text.firstRange(of: "\r\n\r\n"), "\(text)", sourceLocation: location)
        let error = try #require(
            try JSONText(checking: String(text[end.upperBound...]))["error"], "\(text)", sourceLocation: location)
        #expect(error["status_code"]?.integer == status, sourceLocation: location)
        let id = try #require(error["context"]?["request_id"]?.string, sourceLocation: location)
        #expect(text.contains("X-Request-Id: \(id)\r\n"), "\(text)", sourceLocation: location)
        #expect(error["message"]?.string?.contains(part) == true, "\(text)", sourceLocation: location)
    }

    // MARK: What the parser can not read

    @Test(arguments: [
        ("GARBAGE\r\n\r\n", 400, "HTTP/1.1"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}", 400, "HTTP/1.1"),
        ("FROB / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "FROB"),
        ("GET / HTTP/7.3\r\nHost: x\r\n\r\n", 505, "HTTP/1.1"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX-A: a\u{0}b\r\n\r\n", 400, "header"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n", 400, "header"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "Host"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "length"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "length"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "length"),
    ])
    func aHeadThatIsNotHTTP(bytes: String, status: Int, part: String) async throws {
        try expectRefusal(try await Edge.shared.value.connect(bytes).all(), status, mentioning: part)
    }

    @Test func aHeadThatIsTooLarge() async throws {
        let edge = try await Edge.shared.value
        let long = String(repeating: "x", count: 200_000)
        try expectRefusal(try await edge.connect("GET /\(long) HTTP/1.1\r\n").all(), 414, mentioning: "8192 bytes")
        try expectRefusal(
            try await edge.connect("GET / HTTP/1.1\r\nHost: x\r\nX-Long: \(long)\r\n\r\n").all(), 431,
            mentioning: "32768 bytes")
        let many = (1...300).map { "X-\($0): 1\r\n" }.joined()
        try expectRefusal(try await edge.connect("GET / HTTP/1.1\r\nHost: x\r\n\(many)\r\n").all(), 431)
    }

    @Test func whatCameBeforeIsAnsweredFirst() async throws {
        let edge = try await Edge.shared.value
        let text = try await edge.connect(edge.head("GET /api/v2/echo HTTP/1.1") + "nonsense\r\n\r\n").all()
        #expect(text.hasPrefix("HTTP/1.1 200 "), "\(text)")
        let second = try #require(text.dropFirst(8).firstRange(of: "HTTP/1.1 "))
        try expectRefusal(String(text[second.lowerBound...]), 400)
    }

    // MARK: Bodies

    @Test(arguments: [
        ("Transfer-Encoding: chunked", "xyz\r\n", "chunk"),
        ("Transfer-Encoding: chunked", "5\r\nabcdefgh\r\n0\r\n\r\n", "chunk"),
        ("Transfer-Encoding: gzip", "abc", "Transfer-Encoding"),
    ])
    func aBodyThatCanNotBeRead(header: String, body: String, part: String) async throws {
        let edge = try await Edge.shared.value
        let connection = try edge.connect(edge.head("POST /api/v2/echo HTTP/1.1", header) + body)
        try expectRefusal(try await connection.all(), 400, mentioning: part)
    }

    @Test func aBodyThatEndsEarly() async throws {
        let edge = try await Edge.shared.value
        for header in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
            let connection = try edge.connect(edge.head("POST /api/v2/echo HTTP/1.1", header) + "5\r\n[1,2]\r\n")
            connection.endSending()
            try expectRefusal(try await connection.all(), 400, mentioning: "end")
        }
    }

    /// Whoever goes away gets no answer and makes no noise, and no job.
    @Test func aClientThatGoesAway() async throws {
        let edge = try await Edge([:])
        for _ in 1...5 {
            _ = try edge.connect(edge.head("POST /api/v2/echo HTTP/1.1", "Content-Length: 100") + "[1")
        }
        try expectRefusal(
            try await edge.connect(edge.head("POST /api/v2/echo HTTP/1.1", "Transfer-Encoding: gzip") + "x").all(), 400)
        edge.program.signal(SIGTERM)
        #expect(try await edge.program.end() == 0)
        for word in ["warning", "error", "critical"] {
            #expect(!edge.program.text.contains(" \(word) "), "\(edge.program.text)")
        }
    }

    @Test func aBodyThatIsWaitedFor() async throws {
        let edge = try await Edge.shared.value
        let body = #"{"a":1}"#
        let connection = try edge.connect(
            edge.head(
                "POST /api/v2/echo HTTP/1.1", "Expect: 100-continue", "Content-Type: application/json",
                "Content-Length: \(body.utf8.count)"))
        let asked = try await connection.text("the body is asked for") { $0.contains("\r\n\r\n") }
        #expect(asked == "HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(body)
        let text = try await connection.text("the answer") { $0.contains(#"{"got":{"a":1}}"#) }
        #expect(text.contains("HTTP/1.1 200 OK\r\n"))
        // The connection goes on.
        connection.send(edge.head("GET /api/v2/echo HTTP/1.1"))
        _ = try await connection.text("the next answer") { $0.contains(#"{"got":{}}"#) }
    }

    @Test func aBodyThatIsNotWanted() async throws {
        let edge = try await Edge.shared.value
        let tooLarge = edge.head("POST /api/v2/echo HTTP/1.1", "Expect: 100-continue", "Content-Length: 100001")
        try expectRefusal(try await edge.connect(tooLarge).all(), 413, mentioning: "max_body_bytes")
        let unknown =
            "POST /api/v2/echo?api_key=x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        try expectRefusal(try await edge.connect(unknown).all(), 401)
        // Without the question the body is on its way already, and the answer comes all the same.
        let connection = try edge.connect(edge.head("POST /api/v2/echo HTTP/1.1", "Content-Length: 100001"))
        connection.send(String(repeating: "x", count: 50_000))
        try expectRefusal(try await connection.all(), 413, mentioning: "max_body_bytes")
    }

    // MARK: The connection's end

    @Test func anOldClientsConnectionEnds() async throws {
        let edge = try await Edge.shared.value
        let closed = try await edge.connect("GET /health/live HTTP/1.0\r\n\r\n").all()
        #expect(closed.lowercased().contains("connection: close\r\n"), "\(closed)")
        #expect(closed.hasSuffix(#"{"status":"live"}"#))
        let kept = try edge.connect("GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let text = try await kept.text("an answer") { $0.hasSuffix(#"{"status":"live"}"#) }
        #expect(text.lowercased().contains("connection: keep-alive\r\n"), "\(text)")
        kept.send("GET /health/live HTTP/1.0\r\n\r\n")
        #expect(try await kept.all().split(separator: #"{"status":"live"}"#).count == 2)
    }

    @Test func aClientCanAskForTheEnd() async throws {
        let edge = try await Edge.shared.value
        let text = try await edge.connect("GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Close, TE\r\n\r\n").all()
        #expect(text.lowercased().contains("connection: close\r\n"), "\(text)")
    }

    // MARK: Time

    @Test func headersThatDoNotCome() async throws {
        let edge = try await Edge.shared.value
        try expectRefusal(
            try await edge.connect("GET / HTTP/1.1\r\nHost: x\r\n").all(within: .seconds(20)), 408,
            mentioning: "headers")
        // Neither does a byte now and then help.
        let dripping = try edge.connect("GET / HTTP/1.1\r\n")
        try await eventually("the connection is ended", within: .seconds(20)) {
            dripping.send("X")
            return dripping.isEnded
        }
    }

    @Test func bodiesThatDoNotCome() async throws {
        let edge = try await Edge.shared.value
        let head = edge.head("POST /api/v2/echo HTTP/1.1", "Content-Length: 50000")
        try expectRefusal(try await edge.connect(head + "[1").all(within: .seconds(20)), 408, mentioning: "body")
        let dripping = try edge.connect(head)
        try await eventually("the connection is ended", within: .seconds(20)) {
            dripping.send(" ")
            return dripping.isEnded
        }
        try expectRefusal(try await dripping.all(), 408)
    }

    @Test func connectionsThatDoNothing() async throws {
        let edge = try await Edge.shared.value
        #expect(try await edge.connect().all(within: .seconds(20)) == "")
        let used = try edge.connect("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try await used.all(within: .seconds(20)).hasSuffix(#"{"status":"live"}"#))
    }

    /// A caller who waits for a job is not idle, however long that takes.
    @Test func aLongWaitIsNotCutOff() async throws {
        let edge = try await Edge.shared.value
        let connection = try edge.connect(edge.head("GET /api/v2/slow HTTP/1.1"))
        let text = try await connection.text("the answer") { $0.hasSuffix(#""slept""#) }
        #expect(text.hasPrefix("HTTP/1.1 200 "), "\(text)")
    }

    /// A client that takes nothing of what it asked for holds its connection for a moment only.
    @Test func responsesThatAreNotTaken() async throws {
        let edge = try await Edge.shared.value
        try await edge.tenant.save("big", "python3", "return 'x' * 9000000")
        let connection = try RawConnection(edge.url, room: 4096)
        connection.send(edge.head("GET /api/v2/big HTTP/1.1"))
        try await eventually("the ingress has accepted the connection") { edge.holds(connection) }
        try await eventually("the ingress has given it up", within: .seconds(40)) { !edge.holds(connection) }
        // What was not taken in time is lost.
        #expect(try await connection.all().utf8.count < 9_000_000)
    }

    @Test func moreConnectionsThanAreAllowedWait() async throws {
        let edge = try await Edge(["SCRIPTORIUM_MAX_CONNECTIONS": "4", "SCRIPTORIUM_HEADER_TIMEOUT_SECONDS": "0.5"])
        let silent = try (1...40).map { _ in try edge.connect() }
        let late = try edge.connect("GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(try await late.all(within: .seconds(60)).hasPrefix("HTTP/1.1 200 "))
        #expect(silent.filter { !$0.isEnded }.count <= 16)
    }

    /// Out of descriptors: the process waits instead of spinning, and goes on when there are some again.
    @Test func aProcessWithoutDescriptorsRests() async throws {
        let edge = try await Edge(["SCRIPTORIUM_HEADER_TIMEOUT_SECONDS": "4"])
        let open = edge.descriptors()
        let limiting = try await TestProgram(
            path: "/usr/bin/prlimit", ["--pid", "\(edge.program.pid)", "--nofile=\(open + 8):\(open + 8)"])
        #expect(try await limiting.end() == 0)
        let before = edge.processorTime()
        let many = try (1...16).map { _ in try edge.connect() }
        try await eventually("it has no descriptors left", within: .seconds(20)) { edge.descriptors() >= open + 7 }
        let started = ContinuousClock.now
        try await eventually("two seconds are over") { started.duration(to: .now) > .seconds(2) }
        // Sixteen connections cost a little; a spinning thread costs all of the time.
        #expect(edge.processorTime() - before < 0.8)
        #expect(edge.program.status == nil && many.count == 16, "\(edge.program.text.suffix(3000))")
        try await eventually("it answers again", within: .seconds(60)) {
            let connection = try edge.connect("GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return try await connection.all(within: .seconds(30)).hasPrefix("HTTP/1.1 200 ")
        }
    }

    // MARK: Who may ask for what

    @Test func theOperatorsTokenNeedsItsScheme() async throws {
        let edge = try await Edge.shared.value
        let token = TestInstallation.operatorToken
        for (authorization, status) in [
            ("Bearer \(token)", 405), ("bearer \(token)", 405), ("BEARER  \(token)", 405), ("Basic12\(token)", 401),
            ("Basic \(token)", 401), (token, 401), ("Bearer", 401), ("Bearer \(token)x", 401), ("1234567\(token)", 401),
        ] {
            let reply = try await edge.tenant.installation.http.send(
                HTTPCall(
                    method: "PUT", url: edge.url + "/operator/tenants",
                    headers: [(name: "Authorization", value: authorization)]))
            #expect(reply.status == status, "\(authorization): \(reply.text)")
        }
    }

    @Test(arguments: ["X-Scriptorium-Callback"])
    func whatIsNotThereYetIsRefused(header: String) async throws {
        let tenant = try await Edge.shared.value.tenant
        let reply = try await tenant.send("POST", "/api/v2/echo", "{}", headers: [(name: header, value: "1")])
        #expect(reply.status == 501)
        #expect(reply.text.contains(header.lowercased()), "\(reply.text)")
        #expect(reply.header("X-Scriptorium-Job") == nil)
    }
}

extension EdgeTests.Edge {
    /// How many descriptors the ingress holds.
    fileprivate func descriptors() -> Int { Self.count("/proc/\(program.pid)/fd") }

    private static func count(_ folder: String) -> Int {
        guard let directory = opendir(folder) else { return 0 }
        defer { closedir(directory) }
        var count = -2
        while readdir(directory) != nil { count += 1 }
        return count
    }

    /// User and system time of the ingress, in seconds.
    fileprivate func processorTime() -> Double {
        let fields = Self.text("/proc/\(program.pid)/stat").split(separator: " ")
        guard fields.count > 14, let user = Double(fields[13]), let system = Double(fields[14]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Whether the ingress's end of a connection is open.
    fileprivate func holds(_ connection: RawConnection) -> Bool {
        let port = UInt16(url.split(separator: ":").last ?? "") ?? 0
        let local = ":\(Self.hex(port))"
        let remote = ":\(Self.hex(connection.port))"
        let established = "01"
        return Self.text("/proc/net/tcp").split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1].hasSuffix(local) && fields[2].hasSuffix(remote)
                && fields[3] == established
        }
    }

    private static func hex(_ port: UInt16) -> String {
        let digits = String(port, radix: 16, uppercase: true)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    private static func text(_ file: String) -> String {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 { all += buffer.prefix(count) }
        return String(decoding: all, as: UTF8.self)
    }
}
