import Core
import Outbound
import TestSupport
import Testing

/// Calls of `platform.api` that leave the installation, in each language and with a world of the tests' own.
@Suite(.enabled(if: OutsideWorld.obstacle == nil, Comment(rawValue: OutsideWorld.obstacle ?? "")))
struct OutsideTests {
    private static let here = "http://\(OutsideWorld.address)"
    private static let there = "http://\(OutsideWorld.otherAddress)"

    private func caller(quotas: String = "{}", languages: [String] = ["python3"]) async throws -> OutsideCaller {
        try await OutsideCaller(in: try await OutsideWorld.shared(), quotas: quotas, languages: languages)
    }

    @Test(arguments: ["nodejs", "php", "python3"])
    func everyVerbGoesOutWithItsHeadersParametersAndBody(language: String) async throws {
        let caller = try await caller(languages: [language])
        for verb in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let body = verb == "GET" ? "null" : #"{"a":[1,"é"]}"#
            let result = try await caller.make(
                .init(
                    verb: verb, path: "\(Self.here):8080/echo?x=1", payload: body,
                    options: #"{"headers":{"X-Own":"yes","Host":"forged"},"parameters":{"q":"a b&c"}}"#),
                language: language)
            #expect(result["status"]?.integer == 200)
            let reached = try reached(result)
            #expect(reached["method"]?.string == verb)
            #expect(reached["target"]?.string == "/echo?x=1&q=a%20b%26c")
            #expect(reached["headers"]?["x-own"]?.string == "yes")
            #expect(reached["headers"]?["host"]?.string == "\(OutsideWorld.address):8080")
            #expect(reached["headers"]?["traceparent"]?.string?.hasPrefix("00-") == true)
            if verb != "GET" {
                #expect(try JSONText(checking: reached["body"]?.string ?? "")["a"]?.elements.count == 2)
                #expect(reached["headers"]?["content-type"]?.string == "application/json")
            }
            // Nothing of who calls goes along.
            let sent = reached["headers"]?.text ?? ""
            for secret in [caller.tenant.apiKey, caller.tenant.token, "x-dreamfactory", "x-scriptorium"] {
                #expect(!sent.lowercased().contains(secret.lowercased()))
            }
        }
    }

    @Test func phpGetsTheReferencesErrorObjectAndTheOthersTheAnswer() async throws {
        let caller = try await caller(languages: ["nodejs", "php", "python3"])
        let call = OutsideCaller.Call(path: "\(Self.here)/status?is=422&type=application/json&body=%7B%22why%22%3A1%7D")
        let php = try await caller.make(call, language: "php")
        #expect(
            php["body"]?.text
                == #"{"error":{"code":422,"context":null,"message":"{\"why\":1}","status_code":422}}"#)
        for language in ["nodejs", "python3"] {
            let result = try await caller.make(call, language: language)
            #expect(result["status"]?.integer == 422)
            #expect(result["body"]?.string == #"{"why":1}"#)
        }
    }

    @Test func anAnswerCanBeTheScriptsOwn() async throws {
        let tenant = try await OutsideWorld.shared().installation.tenant()
        let url = "\(Self.here)/status?is=200&type=application/json&body=%7B%22a%22%3A1%7D"
        try await tenant.save("through", "php", "return $platform['api']->get('\(url)');")
        let reply = try await tenant.send("GET", "/api/v2/through")
        #expect(reply.status == 200)
        #expect(reply.text == #"{"a":1}"#)
    }

    @Test(arguments: ["nodejs", "php", "python3"])
    func curlOptionsArriveByNameAndByNumber(language: String) async throws {
        let caller = try await caller(languages: [language])
        for options in [
            #"{"CURLOPT_USERAGENT":"me","CURLOPT_HTTPHEADER":["X-Own: 1"],"CURLOPT_USERPWD":"u:p"}"#,
            #"{"10018":"me","10023":["X-Own: 1"],"10005":"u:p"}"#,
            #"{"headers":{"X-Own":"1"},"curlopt_useragent":"me","CURLOPT_USERNAME":"u","CURLOPT_PASSWORD":"p"}"#,
        ] {
            let headers = try reached(
                try await caller.make(.init(path: Self.here, options: options), language: language))["headers"]
            #expect(headers?["user-agent"]?.string == "me")
            #expect(headers?["x-own"]?.string == "1")
            #expect(headers?["authorization"]?.string == "Basic dTpw")
        }
        let slow = try await caller.make(
            .init(path: "\(Self.here)/never", options: #"{"CURLOPT_TIMEOUT_MS":200}"#), language: language)
        #expect(slow["status"]?.integer == 504)
        #expect(slow["body"]?.text.contains("no answer in time from \(Self.here)") == true)
    }

    @Test(arguments: [
        "CURLOPT_URL", "CURLOPT_PROXY", "CURLOPT_RESOLVE", "CURLOPT_CONNECT_TO", "CURLOPT_UNIX_SOCKET_PATH",
        "CURLOPT_ABSTRACT_UNIX_SOCKET", "CURLOPT_INTERFACE", "CURLOPT_COOKIEFILE", "CURLOPT_COOKIEJAR",
        "CURLOPT_CAINFO",
        "CURLOPT_SSLCERT", "CURLOPT_NETRC", "CURLOPT_DNS_SERVERS", "CURLOPT_PROTOCOLS", "CURLOPT_PORT", "10002",
        "10004",
        "10203", "10231", "3", "CURLOPT_NONSENSE",
    ])
    func otherOptionsAreRefusedAndNamed(option: String) async throws {
        let caller = try await Self.shared.value
        let (results, log) = try await caller.make([
            .init(path: "\(Self.here)/option", options: #"{"\#(option)":"http://127.0.0.1:8080/"}"#)
        ])
        #expect(results[0]["status"]?.integer == 400)
        let message = try JSONText(checking: results[0]["body"]?.string ?? "")["error"]?["message"]?.string ?? ""
        #expect(message.contains("'\(option)' is not allowed"))
        #expect(message.contains("CURLOPT_TIMEOUT, "))
        #expect(log.contains { $0.contains("'\(option)' is not allowed") })
    }

    /// What becomes a part of the request's head brings no line of its own.
    @Test(arguments: [
        #"{"CURLOPT_ENCODING":"gzip\r\nX-Own: 1"}"#, #"{"CURLOPT_USERAGENT":"a\r\nX-Own: 1"}"#,
        #"{"CURLOPT_CUSTOMREQUEST":"GET / HTTP/1.1\r\nX-Own: 1"}"#, #"{"CURLOPT_COOKIE":"a\nX-Own: 1"}"#,
        #"{"CURLOPT_HTTPHEADER":["A: b\r\nX-Own: 1"]}"#, #"{"headers":{"A\r\nX-Own":"1"}}"#,
    ])
    func aLineBreakIsRefused(options: String) async throws {
        let caller = try await Self.shared.value
        let result = try await caller.make(.init(path: Self.here, options: options))
        #expect(result["status"]?.integer == 400, "\(result)")
    }

    /// For rows that need nothing of their own.
    private static let shared = Task { try await OutsideTests().caller(languages: ["php", "python3"]) }

    @Test func whatHasNoAnswerIsAnErrorResult() async throws {
        let caller = try await caller(quotas: #"{"response_bytes":100000}"#, languages: ["nodejs", "php", "python3"])
        let rows = [
            ("http://nowhere.example/", 502, "could not reach http://nowhere.example"),
            ("\(Self.here):81/", 502, "could not reach \(Self.here):81"),
            ("http://user:secret@nowhere.example/?key=secret", 502, "could not reach http://nowhere.example"),
            ("\(Self.here)/large?bytes=200000", 502, "more than 100000 bytes"),
            ("\(Self.here)/headers?count=2000", 502, "too many headers"),
            ("http:///x", 400, "with a host"), ("ftp://\(OutsideWorld.address)/", 400, "calls http: and https: URLs"),
            ("http://[::1", 400, "with a host"),
        ]
        for language in ["nodejs", "php", "python3"] {
            let (results, _) = try await caller.make(rows.map { OutsideCaller.Call(path: $0.0) }, language: language)
            for (row, result) in zip(rows, results) {
                #expect(result["status"]?.integer == row.1, "\(language) \(row.0) \(result)")
                let text = result["body"]?.string ?? result["body"]?.text ?? ""
                #expect(text.replacing("\\/", with: "/").contains(row.2), "\(language) \(row.0) \(result)")
                #expect(!text.contains("secret"))
            }
        }
    }

    @Test func packedAnswersAreUnpackedOnRequestAndBounded() async throws {
        let caller = try await caller(quotas: #"{"response_bytes":3000000}"#, languages: ["nodejs"])
        let (results, _) = try await caller.make(
            [
                .init(path: "\(Self.here)/packed?megabytes=1", options: #"{"CURLOPT_ENCODING":""}"#),
                .init(path: "\(Self.here)/packed?megabytes=400", options: #"{"CURLOPT_ENCODING":"gzip"}"#),
            ], language: "nodejs")
        #expect(results[0]["status"]?.integer == 200)
        #expect(results[0]["body"]?.string?.utf8.count == 1 << 20)
        #expect(results[0]["headers"]?["content-encoding"] == nil)
        #expect(results[1]["status"]?.integer == 502)
        #expect(results[1]["body"]?.string?.contains("response_bytes") == true)
    }

    @Test func redirectsAreFollowedAsCurlDoesInPHPAndOnRequestElsewhere() async throws {
        let caller = try await caller(languages: ["nodejs", "php"])
        let path = "\(Self.here)/redirect?to=/echo"
        #expect(try reached(try await caller.make(.init(path: path), language: "php"))["target"]?.string == "/echo")
        let not = try await caller.make(.init(path: path, options: #"{"52":false}"#), language: "php")
        #expect(not["status"]?.integer == 302)
        let plain = try await caller.make(.init(path: path), language: "nodejs")
        #expect(plain["status"]?.integer == 302)
        #expect(plain["headers"]?["location"]?.string == "/echo")
        let asked = try await caller.make(
            .init(path: path, options: #"{"CURLOPT_FOLLOWLOCATION":true}"#), language: "nodejs")
        #expect(try reached(asked)["target"]?.string == "/echo")
        for (left, status) in [(10, 200), (11, 403)] {
            let result = try await caller.make(.init(path: "\(Self.here)/round?left=\(left)"), language: "php")
            #expect(result["status"]?.integer == status)
        }
    }

    @Test(arguments: [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (308, "POST", "POST"),
        (302, "PUT", "PUT"), (303, "DELETE", "GET"), (301, "GET", "GET"),
    ])
    func aRedirectKeepsTheMethodWhereItMust(status: Int, before: String, after: String) async throws {
        let caller = try await Self.shared.value
        let result = try await caller.make(
            .init(verb: before, path: "\(Self.here)/redirect?status=\(status)&to=/echo", payload: #"{"a":1}"#),
            language: "php")
        let reached = try reached(result)
        #expect(reached["method"]?.string == after)
        #expect(reached["body"]?.string == (after == "GET" && before != "GET" ? "" : #"{"a":1}"#))
        #expect((reached["headers"]?["content-type"] == nil) == (after == "GET" && before != "GET"))
    }

    @Test func secretsStayAtTheFirstOrigin() async throws {
        let caller = try await Self.shared.value
        let headers = #"{"Authorization":"Bearer s3","Cookie":"a=s3","X-Token":"s3","Accept":"text/x"}"#
        for (target, carries) in [
            ("/echo", true), ("\(Self.here)/echo", true), ("\(Self.here):8080/echo", false),
            ("\(Self.there)/echo", false),
            ("//\(OutsideWorld.otherAddress)/echo", false),
        ] {
            for credentials in [#"{"headers":\#(headers)}"#, #"{"CURLOPT_USERPWD":"u:s3","CURLOPT_COOKIE":"s3"}"#] {
                let result = try await caller.make(
                    .init(path: "\(Self.here)/redirect?to=\(target)", options: credentials), language: "php")
                let sent = try reached(result)["headers"]
                #expect((sent?["authorization"] != nil) == carries, "\(target)")
                #expect((sent?["cookie"] != nil) == carries, "\(target)")
                #expect(carries || sent?.text.contains("s3") == false, "\(target)")
            }
        }
    }

    @Test func certificatesAreVerifiedUnlessTheScriptSaysOtherwise() async throws {
        let caller = try await Self.shared.value
        let (results, _) = try await caller.make([
            .init(path: "https://tls.a-9-9-9-9.test/"),
            .init(path: "https://\(OutsideWorld.address)/"),
            .init(path: "https://\(OutsideWorld.address)/", options: #"{"CURLOPT_SSL_VERIFYHOST":0}"#),
            .init(
                path: "https://\(OutsideWorld.address)/",
                options: #"{"CURLOPT_SSL_VERIFYPEER":false,"CURLOPT_SSL_VERIFYHOST":false}"#),
            .init(path: "https://\(OutsideWorld.address)/"),
        ])
        #expect(results.map { $0["status"]?.integer } == [200, 502, 200, 200, 502])
        #expect(results[1]["body"]?.string?.contains("could not reach https://\(OutsideWorld.address)") == true)
    }

    @Test func aCallEndsWithItsJob() async throws {
        let caller = try await caller(quotas: #"{"wall_seconds":2}"#)
        let body = #"{"calls":[\#(OutsideCaller.Call(path: "\(Self.here)/never").text)]}"#
        let reply = try await caller.tenant.send("POST", "/api/v2/python3-caller", body)
        #expect(reply.status == 504)
    }
}
