import Core
import Outbound
import TestSupport
import Testing

/// The forms of a response, by what the caller accepts: the matrix of the reference (dreamfactory.md §2.8), cell by cell.
@Suite struct ContentTests {
    private static let tenant = Task {
        let tenant = try await TestInstallation.shared().tenant(quotas: #"{"response_bytes":200000}"#)
        // The caller says what the script answers with, so that one script serves all rows.
        try await tenant.save(
            "say", "nodejs",
            """
            const r = JSON.parse(event.request.parameters.r);
            if (r !== null && typeof r === 'object' && r.ret !== undefined) return r.ret;
            event.response = r;
            """)
        return tenant
    }

    private static let json = "application/json"
    private static let any = "*/*"
    private static let axios = "application/json, text/plain, */*"
    private static let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    private static let xml = "application/xml"
    private static let csv = "text/csv"
    private static let plain = "text/plain"

    /// What a script answers, and for each `Accept` what goes out: its type and its body; nil for a refusal.
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let answer: String
        let cells: [(accept: String?, type: String?, body: String)]
        var testDescription: String { name }
    }

    private static func row(_ name: String, _ answer: String, _ cells: (String?, String?, String)...) -> Row {
        Row(name: name, answer: answer, cells: cells.map { (accept: $0.0, type: $0.1, body: $0.2) })
    }

    private static let object = #"{"b":"x/y","a":1,"big":12345678901234567890}"#
    private static let objectText = #"{"b":"x\/y","a":1,"big":12345678901234567890}"#
    private static let rows = #"{"resource":[{"id":1,"n":"a, b"},{"id":2,"n":"c"}]}"#
    private static let head = #"<?xml version="1.0" ?>"#

    static let matrix: [Row] = [
        row(
            "object", #"{"ret":{"b":"x/y","a":1}}"#,
            (json, json, #"{"b":"x/y","a":1}"#), (nil, json, #"{"b":"x/y","a":1}"#),
            (any, json, #"{"b":"x/y","a":1}"#), (axios, json, #"{"b":"x/y","a":1}"#),
            (browser, json, #"{"b":"x/y","a":1}"#),
            (xml, xml, "\(head)<dfapi>\n\t<b>x/y</b>\n\t<a>1</a>\n</dfapi>\n"), (csv, csv, "b,a\nx/y,1\n"),
            (plain, plain, #"{"b":"x\/y","a":1}"#)),
        row(
            "resource", #"{"ret":\#(rows)}"#,
            (json, json, rows), (nil, json, rows), (any, json, rows), (axios, json, rows), (browser, json, rows),
            (
                xml, xml,
                "\(head)<dfapi>\n\t<resource>\n\t\t<id>1</id>\n\t\t<n>a, b</n>\n\t</resource>\n"
                    + "\t<resource>\n\t\t<id>2</id>\n\t\t<n>c</n>\n\t</resource>\n</dfapi>\n"
            ),
            (csv, csv, "id,n\n1,\"a, b\"\n2,c\n"), (plain, plain, rows)),
        row(
            "string", #"{"ret":"a<b"}"#,
            (json, json, #""a<b""#), (nil, json, #""a<b""#), (any, json, "a<b"), (axios, plain, "a<b"),
            (browser, xml, "a<b"), (xml, xml, "\(head)<dfapi>a&lt;b</dfapi>"), (csv, csv, "a<b"),
            (plain, plain, "a<b")),
        row(
            "number", #"{"ret":5}"#,
            (json, json, "5"), (nil, json, "5"), (any, json, "5"), (axios, plain, "5"), (browser, xml, "5"),
            (xml, xml, "\(head)<dfapi>5</dfapi>"), (csv, csv, "5"), (plain, plain, "5")),
        row(
            "true", #"{"ret":true}"#,
            (json, json, "true"), (nil, json, "true"), (any, json, "1"), (axios, plain, "1"), (browser, xml, "1"),
            (xml, xml, "\(head)<dfapi>1</dfapi>"), (csv, csv, "1"), (plain, plain, "1")),
        row(
            "string declared JSON", #"{"content":"{\"a\":[1,2]}","content_type":"application/json"}"#,
            (json, json, #"{"a":[1,2]}"#), (nil, json, #"{"a":[1,2]}"#), (any, json, #"{"a":[1,2]}"#),
            (axios, json, #"{"a":[1,2]}"#), (browser, json, #"{"a":[1,2]}"#),
            (xml, xml, "\(head)<dfapi>\n\t<a>1</a>\n\t<a>2</a>\n</dfapi>\n"), (csv, csv, "a\n\"[1,2]\"\n"),
            (plain, nil, #"{"a":[1,2]}"#)),
        // The reference refuses the ones that a caller did not ask for: nobody relies on that.
        row(
            "string declared HTML", #"{"content":"<p>hi","content_type":"text/html"}"#,
            (json, "text/html", "<p>hi"), (nil, "text/html", "<p>hi"), (any, "text/html", "<p>hi"),
            (axios, "text/html", "<p>hi"), (browser, "text/html", "<p>hi"), (xml, "text/html", "<p>hi"),
            (csv, "text/html", "<p>hi"), (plain, "text/html", "<p>hi")),
        row(
            "object declared HTML", #"{"content":{"a":1},"content_type":"text/html"}"#,
            (json, json, #"{"a":1}"#), (nil, json, #"{"a":1}"#), (any, json, #"{"a":1}"#), (axios, json, #"{"a":1}"#),
            (browser, json, #"{"a":1}"#), (xml, json, #"{"a":1}"#), (csv, json, #"{"a":1}"#),
            (plain, json, #"{"a":1}"#)),
        row(
            "null", #"{"content":null}"#,
            (json, json, ""), (nil, json, ""), (any, json, ""), (axios, plain, ""), (browser, xml, ""),
            (xml, xml, ""), (csv, csv, ""), (plain, plain, "")),
        row(
            "string of a type that is misspelt", #"{"content":"{}","content_type":"applicaton/json"}"#,
            (json, json, #""{}""#), (any, "applicaton/json", "{}")),
        row(
            "string declared plain", #"{"content":"hi","content_type":"text/plain"}"#,
            (json, json, #""hi""#), (plain, plain, "hi"), (any, plain, "hi"),
            (xml, xml, "\(head)<dfapi>hi</dfapi>")),
        row(
            "empties", #"{"content":false}"#, (json, json, "false"), (any, json, ""),
            (xml, xml, "\(head)<dfapi></dfapi>")),
        row(
            "empty list", #"{"content":[]}"#, (json, json, "[]"), (xml, xml, "\(head)<dfapi>\n</dfapi>\n"),
            (csv, csv, "")),
        row(
            "list", #"{"content":[1,"b",null]}"#, (csv, csv, "1\nb\n\"\"\n"),
            (
                xml, xml,
                "\(head)<dfapi>\n\t<resource>1</resource>\n\t<resource>b</resource>\n\t<resource></resource>\n</dfapi>\n"
            )),
        // Their order counts, their weights do not, but zero is a no.
        row(
            "weights", #"{"content":{"a":1}}"#,
            (
                "application/json;q=0.1, application/xml;q=0.9, application/json;q=0", xml,
                "\(head)<dfapi>\n\t<a>1</a>\n</dfapi>\n"
            ),
            ("application/xml;q=0.9, application/json;q=0.1", json, #"{"a":1}"#),
            ("text/csv, */*;q=0", csv, "a\n1\n"), ("text/csv, */*;q=0.1", json, #"{"a":1}"#),
            ("TEXT/XML", "text/xml", "\(head)<dfapi>\n\t<a>1</a>\n</dfapi>\n"),
            ("application/vnd.shop+json", json, #"{"a":1}"#), ("image/png", nil, #"{"a":1}"#),
            ("application/*", json, #"{"a":1}"#), ("text/*", plain, #"{"a":1}"#),
            ("image/gif, *; q=.2", json, #"{"a":1}"#)),
        row(
            "a range", #"{"content":"b{}","content_type":"text/css"}"#, ("text/*", "text/css", "b{}"),
            ("application/*", "text/css", "b{}")),
    ]

    private func send(
        _ answer: String, accept: String?, query: String = "", service: String = "say"
    ) async throws -> HTTPReply {
        let tenant = try await Self.tenant.value
        var headers = [(name: "X-API-Key", value: tenant.apiKey)]
        // The client sends one of its own where none is given; an empty one counts as none.
        headers.append((name: "Accept", value: accept ?? ""))
        return try await tenant.raw("GET", "/api/v2/\(service)?r=\(Query.encode(answer))\(query)", headers: headers)
    }

    @Test(arguments: matrix) func aCellOfTheMatrix(row: Row) async throws {
        for cell in row.cells {
            let reply = try await send(row.answer, accept: cell.accept)
            let place: Comment = "Accept: \(cell.accept ?? "none")"
            guard let type = cell.type else {
                #expect(reply.status == 400, place)
                let message = try JSONText(checking: reply.body)["error"]?["message"]?.string
                #expect(
                    message
                        == "Content in response can not be resolved to acceptable content type. Original content: \(cell.body)",
                    place)
                continue
            }
            #expect(reply.status == 200, place)
            #expect(reply.header("Content-Type") == type, place)
            #expect(reply.text == cell.body, place)
        }
    }

    @Test func anErrorOfTheScriptsOwnIsNeverRefused() async throws {
        let reply = try await send(#"{"content":{"a":1},"status_code":404}"#, accept: "image/png")
        #expect(reply.status == 404)
        #expect(reply.text == #"{"a":1}"#)
        let text = try await send(#"{"content":"gone","status_code":410}"#, accept: "image/png")
        #expect(text.status == 410)
        #expect(text.text == "gone")
    }

    @Test func theQueryGoesBeforeTheHeader() async throws {
        let reply = try await send(#"{"ret":{"a":1}}"#, accept: Self.json, query: "&accept=text/csv")
        #expect(reply.header("Content-Type") == "text/csv")
        #expect(reply.text == "a\n1\n")
    }

    @Test(arguments: [
        ("rows.csv", "text/csv", "a\n1\n", #"attachment; filename="rows.csv""#),
        (
            "rows.XML", "application/xml", "<?xml version=\"1.0\" ?><dfapi>\n\t<a>1</a>\n</dfapi>\n",
            #"attachment; filename="rows.XML""#
        ),
        ("rows.json", "application/json", #"{"a":1}"#, #"attachment; filename="rows.json""#),
        ("true", "application/json", #"{"a":1}"#, #"attachment; filename="say.json""#),
        ("rows.pdf", "text/csv", "a\n1\n", #"attachment; filename="rows.pdf""#),
        ("../../etc/a\"b\\c;\r\nX-Evil: 1.csv", "text/csv", "a\n1\n", #"attachment; filename="c;X-Evil: 1.csv""#),
        ("a\"b.csv", "text/csv", "a\n1\n", #"attachment; filename="a_b.csv"; filename*=UTF-8''a%22b.csv"#),
        ("Käse.csv", "text/csv", "a\n1\n", #"attachment; filename="K_se.csv"; filename*=UTF-8''K%C3%A4se.csv"#),
    ])
    func asAFile(name: String, type: String, body: String, disposition: String) async throws {
        let reply = try await send(
            #"{"content":{"a":1},"headers":{"Content-Disposition":"inline"}}"#, accept: Self.csv,
            query: "&file=\(Query.encode(name))")
        #expect(reply.header("Content-Type") == type)
        #expect(reply.text == body)
        #expect(reply.headers.filter { $0.name.lowercased() == "content-disposition" }.map(\.value) == [disposition])
        #expect(reply.header("X-Evil") == nil)
    }

    @Test func whatAsksForNoFile() async throws {
        for name in ["", "rows", "false", "/", "..", "."] {
            let reply = try await send(#"{"ret":{"a":1}}"#, accept: Self.csv, query: "&file=\(Query.encode(name))")
            #expect(reply.header("Content-Disposition") == nil, "\(name)")
            #expect(reply.text == "a\n1\n", "\(name)")
        }
    }

    @Test func numbersAndOrderSurviveEveryForm() async throws {
        let content = #"{"z":12345678901234567890,"a":1.50,"m":-0.0,"e":1e400}"#
        let answer = try JSONText(checking: content).text
        let tenant = try await Self.tenant.value
        // A text that is declared JSON is not touched by the language on its way.
        try await tenant.save(
            "numbers", "python3", "return {'content': \(JSONText.quoted(answer)), 'content_type': 'application/json'}")
        #expect(try await send("", accept: Self.json, service: "numbers").text == content)
        #expect(
            try await send("", accept: Self.csv, service: "numbers").text
                == "z,a,m,e\n12345678901234567890,1.50,-0.0,1e400\n")
        #expect(
            try await send("", accept: Self.xml, service: "numbers").text
                == "\(Self.head)<dfapi>\n\t<z>12345678901234567890</z>\n\t<a>1.50</a>\n\t<m>-0.0</m>\n\t<e>1e400</e>\n</dfapi>\n"
        )
    }

    /// Small as JSON, huge as XML or CSV: the limit counts for what goes out.
    @Test(arguments: [
        ("nodejs", "let v = Array(1000).fill(1); for (let i = 0; i < 400; i++) v = {a: v}; return v;", xml),
        ("nodejs", "return Array.from({length: 5000}, (_, n) => ({['k' + n]: 1}));", csv),
        ("nodejs", "return {['k'.repeat(150)]: Array(1000).fill(1)};", xml),
    ])
    func aConversionIsBounded(language: String, script: String, accept: String) async throws {
        let tenant = try await Self.tenant.value
        let name = "grows-\(UInt32.random(in: 0 ... .max))"
        try await tenant.save(name, language, script)
        #expect(try await send("", accept: Self.json, service: name).status == 200)
        let reply = try await send("", accept: accept, service: name)
        #expect(reply.status == 500)
        #expect(reply.text.contains("response_bytes"), "\(reply.text.prefix(300))")
    }

    @Test func theStoredResponseIsTheRenderedOne() async throws {
        let reply = try await send(#"{"ret":{"a":1}}"#, accept: Self.xml)
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let stored = try await Self.tenant.value.send("GET", "/api/v2/jobs/\(job)/response")
        #expect(stored.text == reply.text)
        #expect(stored.header("Content-Type") == Self.xml)
    }

    @Test func aScriptThatIsCalledByAScriptIsTakenAsItAnswers() async throws {
        let tenant = try await Self.tenant.value
        try await tenant.save("page", "python3", "return {'content': '<p>', 'content_type': 'text/html'}")
        try await tenant.save("plain", "python3", "return {'content': 'x', 'content_type': 'text/plain'}")
        try await tenant.save(
            "reader", "python3",
            "return [platform.api.get('page').read().decode(), platform.api.get('plain').read().decode()]")
        #expect(try await tenant.send("GET", "/api/v2/reader").text == #"["<p>","x"]"#)
    }
}
