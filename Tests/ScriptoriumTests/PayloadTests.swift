import Core
import Outbound
import TestSupport
import Testing

/// Bodies of every kind, as scripts see them (dreamfactory.md §3.1).
@Suite struct PayloadTests {
    private static let tenant = Task {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("nodejs", "nodejs", "return {p: event.request.payload, c: event.request.content};")
        try await tenant.save("python3", "python3", "return {'p': event.request.payload, 'c': event.request.content}")
        try await tenant.save(
            "php", "php", "return ['p' => $event['request']['payload'], 'c' => $event['request']['content']];")
        return tenant
    }

    private func send(_ language: String, _ type: String?, _ body: String) async throws -> JSONText {
        let tenant = try await Self.tenant.value
        // An empty type keeps the client from sending one of its own.
        let headers = [(name: "X-API-Key", value: tenant.apiKey), (name: "Content-Type", value: type ?? "")]
        let reply = try await tenant.raw("POST", "/api/v2/\(language)", Array(body.utf8), headers: headers)
        return try JSONText(checking: reply.body)
    }

    private static let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"a[x]\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; "
        + "filename=\"t.txt\"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b--\r\n"

    @Test(arguments: [
        ("application/x-www-form-urlencoded", "a[x]=1&b[]=2", #"{"a":{"x":"1"},"b":["2"]}"#),
        (
            "multipart/form-data; boundary=b", multipart,
            #"{"a":{"x":"1"},"f":{"name":"t.txt","type":"text/plain","size":2,"content":"hi","content_base64":null}}"#
        ),
        ("application/xml", "<r><a>1</a><a>2</a></r>", #"{"a":["1","2"]}"#),
        ("text/csv", "a,b\n1,2\n", #"{"resource":[{"a":"1","b":"2"}]}"#), ("text/plain", "a<b", #""a<b""#),
        (nil, #"{"n":[1,2.5]}"#, #"{"n":[1,2.5]}"#), (nil, "<r><a>é</a></r>", #"{"a":"é"}"#),
        (nil, "a,b\n1,2\n", #"{"resource":[{"a":"1","b":"2"}]}"#), (nil, "???", "null"),
        ("application/xml", "<!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><r>&e;</r>", "null"),
    ])
    func aBody(type: String?, body: String, payload: String) async throws {
        for language in ["nodejs", "python3", "php"] {
            let seen = try await send(language, type, body)
            #expect(seen["p"]?.text == payload, "\(language)")
            #expect(seen["c"]?.string == body, "\(language)")
        }
    }

    @Test func noBodyIsAnEmptyObject() async throws {
        let seen = try await send("nodejs", nil, "")
        #expect(seen.text == #"{"p":{},"c":""}"#)
    }

    @Test func largeNumbersReachWhoCanHoldThem() async throws {
        let seen = try await send("python3", "application/json", #"{"n":12345678901234567890123}"#)
        #expect(seen["p"]?.text == #"{"n":12345678901234567890123}"#)
    }

    @Test func aDeclaredFormIsConvertedForItsCaller() async throws {
        let tenant = try await Self.tenant.value
        try await tenant.save(
            "declares", "python3",
            "return {'content': event.request.content, 'content_type': event.request.parameters.type}")
        func answer(_ type: String, _ body: String, accept: String) async throws -> HTTPReply {
            try await tenant.raw(
                "POST", "/api/v2/declares?type=\(type)", Array(body.utf8),
                headers: [
                    (name: "X-API-Key", value: tenant.apiKey), (name: "Content-Type", value: "text/plain"),
                    (name: "Accept", value: accept),
                ])
        }
        for (type, body, accept, expected) in [
            ("application/xml", "<r><a>1</a></r>", "application/json", #"{"a":"1"}"#),
            ("application/xml", "<r><a>1</a></r>", "text/csv", "a\n1\n"),
            ("text/csv", "a\n1\n", "application/json", #"[{"a":"1"}]"#),
            ("application/xml", "<r><a>1</a></r>", "*/*", "<r><a>1</a></r>"),
            ("application/xml", "<r><a>1</a></r>", "application/xml", "<r><a>1</a></r>"),
            // What is not what it says goes out as it is.
            ("application/xml", "<r>", "application/json", "<r>"),
        ] {
            let reply = try await answer(type, body, accept: accept)
            #expect(reply.status == 200)
            #expect(reply.text == expected, "\(type) as \(accept)")
        }
    }
}
