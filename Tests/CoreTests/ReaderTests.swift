import Core
import Testing

/// Bodies of strangers as JSON.
@Suite struct ReaderTests {
    @Test(arguments: [
        ("<a/>", #""""#), ("<a>5</a>", #""5""#), ("<a> \n </a>", #""""#),
        ("<r><b>x</b><a>1</a></r>", #"{"b":"x","a":"1"}"#), ("<r><a>1</a><b/><a>2</a></r>", #"{"a":["1","2"],"b":""}"#),
        ("<r><a><b>1</b></a><a><c>2</c></a></r>", #"{"a":[{"b":"1"},{"c":"2"}]}"#),
        ("\u{FEFF}<?xml version=\"1.0\" encoding='UTF-8' ?>\n<!-- <x> -->\n<r><a>1</a></r>\n<?end?>\n", #"{"a":"1"}"#),
        ("<r><a>&lt;&amp;&gt;&quot;&apos;&#233;&#xe9;&#x1F600;</a></r>", #"{"a":"<&>\"'éé😀"}"#),
        ("<r><a><![CDATA[<b>&amp;]]]></a></r>", #"{"a":"<b>&amp;]"}"#),
        ("<r><a x='1' y = \"2>\">v</a></r>", #"{"a":"v"}"#),
        ("<r>text<a>1</a>more</r>", #"{"a":"1"}"#), ("<s:r xmlns:s='u'><s:a>1</s:a></s:r >", #"{"s:a":"1"}"#),
        ("<r><a>1\r\n2\r3</a></r>", #"{"a":"1\n2\n3"}"#),
        ("<r><n>12345678901234567890.10</n></r>", #"{"n":"12345678901234567890.10"}"#),
        ("<r><a>1<!-- c -->2<?p?>3</a></r>", #"{"a":"123"}"#), ("<é.-1/>", #""""#),
    ])
    func xml(text: String, json: String) {
        #expect(XMLReader.json(text)?.text == json)
    }

    @Test(arguments: [
        "", " ", "text", "<", "<a", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "x<a/>", "<a b></a>", "<a b=1/>",
        "<a b='1/>", "<1a/>",
        "<a>&foo;</a>", "<a>&</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#99999999999;</a>", "<a>&#-1;</a>",
        "<a>&#x;</a>",
        "<a>\u{0}</a>", "<a>\u{1}</a>", "<a><![CDATA[x</a>", "<!-- x", "</a>", "<a b='<'/>", "<a><b></a></b>", "< a/>",
        "<!DOCTYPE a><a/>", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>", "<a><!ENTITY x 'y'></a>",
        "<?xml version='1.0'?>",
    ])
    func whatIsNoXML(text: String) {
        #expect(XMLReader.json(text) == nil)
    }

    /// Each would take minutes, or gigabytes, or the stack, if it cost more than its length.
    @Test func xmlThatMeansHarm() throws {
        let size = 2 << 20
        #expect(XMLReader.json(String(repeating: "<a>", count: size / 3)) == nil)
        #expect(XMLReader.json("<a" + String(repeating: " ", count: size)) == nil)
        #expect(XMLReader.json("<a>" + String(repeating: "&amp", count: size / 4)) == nil)
        #expect(XMLReader.json(String(repeating: "<!--", count: size / 4)) == nil)
        let deep =
            String(repeating: "<a>", count: 100) + String(repeating: "x", count: size)
            + String(repeating: "</a>", count: 100)
        #expect(XMLReader.json(deep)?.text.utf8.count == size + 99 * 6 + 2)
        #expect(XMLReader.json("<a>\(deep)</a>") == nil)
        let wide = "<r>" + (0..<100_000).map { "<a\($0)/>" }.joined() + "</r>"
        #expect(XMLReader.json(wide)?.members.count == 100_000)
        let many = "<r>" + String(repeating: "<a/>", count: size / 4) + "</r>"
        #expect(XMLReader.json(many)?["a"]?.elements.count == size / 4)
    }

    @Test(arguments: [
        ("a,b\n1,2\n3,4\n", #"[{"a":"1","b":"2"},{"a":"3","b":"4"}]"#), ("a,b\r\n1,2", #"[{"a":"1","b":"2"}]"#),
        ("a\r1\r", #"[{"a":"1"}]"#),
        ("a,b\n\"x, \"\"y\"\"\nz\",2\n", #"[{"a":"x, \"y\"\nz","b":"2"}]"#), ("a,b\n1\n", #"[{"a":"1","b":null}]"#),
        ("a\n1,2\n", #"[{"a":"1"}]"#), ("a,b\n,\n\n\n", #"[{"a":"","b":""}]"#), ("\u{FEFF}a\nx\n", #"[{"a":"x"}]"#),
        ("a,a,b\n1,2,3\n", #"[{"a":"2","b":"3"}]"#), ("n\n12345678901234567890\n", #"[{"n":"12345678901234567890"}]"#),
    ])
    func csv(text: String, json: String) {
        #expect(CSVReader.json(text)?.text == json)
    }

    @Test func whatIsNoCSV() {
        for text in ["", "a,b", "a,b\n", "a\n\n", "a\n\"x", String(repeating: ",", count: 5000) + "\n1\n"] {
            #expect(CSVReader.json(text) == nil)
        }
        // A kilobyte of names for each two bytes of records.
        let bomb =
            (0..<100).map { "a\($0)".padded(to: 1000) }.joined(separator: ",") + "\n"
            + String(repeating: "1\n", count: 200_000)
        #expect(CSVReader.json(bomb) == nil)
    }

    private func form(_ parts: [(head: String, body: String)], boundary: String = "b1") -> [UInt8] {
        Array((parts.map { "--\(boundary)\r\n\($0.head)\r\n\r\n\($0.body)\r\n" }.joined() + "--\(boundary)--\r\n").utf8)
    }

    @Test func multipart() throws {
        let field = "Content-Disposition: form-data; name="
        let body = form([
            ("\(field)\"a\"", "1"), ("\(field)l[]", "x"), ("\(field)\"l[]\"", "y"), ("\(field)\"m[k][n]\"", "--b"),
            (
                "content-disposition:form-data;name=\"f\"; filename=\"a \\\"q\\\" %22.txt\"\r\nContent-Type: text/plain",
                "line\r\n\r\n--b1x\r\n"
            ),
            ("\(field)\"e\"", ""),
        ])
        let json =
            #"{"a":"1","l":["x","y"],"m":{"k":{"n":"--b"}},"f":{"name":"a \"q\" \".txt","type":"text/plain","size":15,"#
            + #""content":"line\r\n\r\n--b1x\r\n","content_base64":null},"e":""}"#
        #expect(
            MultipartReader.json(body, type: "Multipart/Form-Data; charset=x; Boundary=\"b1\"")?.text
                == json)
        #expect(MultipartReader.json(Array("--b--".utf8), type: "multipart/form-data; boundary=b")?.text == "{}")
        let preamble = Array("for people\r\n".utf8) + form([("\(field)a", "1")])
        #expect(MultipartReader.json(preamble, type: "multipart/form-data; boundary=b1")?.text == #"{"a":"1"}"#)
        var binary = Array("--b\r\n\(field)\"f\"; filename=x\r\n\r\n".utf8)
        binary += [0xFF, 0x00, 0x0D, 0x0A] + Array("\r\n--b--".utf8)
        #expect(
            MultipartReader.json(binary, type: "multipart/form-data; boundary=b")?.text
                == #"{"f":{"name":"x","type":"application/octet-stream","size":4,"content":null,"content_base64":"/wANCg=="}}"#
        )
    }

    @Test func whatIsNoMultipart() {
        let good = form([("Content-Disposition: form-data; name=a", "1")])
        for type in [
            "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other",
            "multipart/form-data; boundary=\"b1",
        ] {
            #expect(MultipartReader.json(good, type: type) == nil, "\(type)")
        }
        for body in [
            "--b1\r\nx\r\n--b1--", "--b1\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b1--",
            "--b1\r\n\r\n1\r\n--b1--", "--b1\r\n", "x",
        ] {
            #expect(MultipartReader.json(Array(body.utf8), type: "multipart/form-data; boundary=b1") == nil, "\(body)")
        }
        // What looks like the boundary all over, and too many fields.
        let near = "--b1\r\n" + String(repeating: "\r\n--b", count: 400_000)
        #expect(MultipartReader.json(Array(near.utf8), type: "multipart/form-data; boundary=b1") == nil)
        let many = form((0..<1500).map { ("Content-Disposition: form-data; name=a\($0)", "1") })
        #expect(MultipartReader.json(many, type: "multipart/form-data; boundary=b1")?.members.count == 1000)
    }

    private func payload(_ type: String?, _ body: String) -> String {
        RequestPayload.json(
            of: ServiceRequest(
                verb: .post, service: "x", headers: type.map { [(name: "content-type", value: $0)] } ?? [],
                body: Array(body.utf8))
        ).text
    }

    @Test(arguments: [
        (nil, "", "{}"), ("application/json", "", "{}"),
        ("application/json; charset=utf-8", #"{"n":1.50}"#, #"{"n":1.50}"#),
        ("application/vnd.shop+json", "[12345678901234567890]", "[12345678901234567890]"),
        ("application/x-www-form-urlencoded", "a[]=1&a[]=2&b[c]=x+y%26", #"{"a":["1","2"],"b":{"c":"x y&"}}"#),
        ("APPLICATION/XML", "<r><a>1</a></r>", #"{"a":"1"}"#), ("text/xml;charset=utf-8", "<r/>", #""""#),
        ("application/soap+xml", "<r><a/></r>", #"{"a":""}"#),
        ("application/xml", "{}", "null"), ("text/csv", "a\n1\n", #"{"resource":[{"a":"1"}]}"#),
        ("text/csv", "a", "null"),
        ("text/plain; charset=utf-8", #"{"a":1}"#, #""{\"a\":1}""#), (nil, #"{"a":1}"#, #"{"a":1}"#),
        (nil, "<r><a>1</a></r>", #"{"a":"1"}"#),
        (nil, "a,b\n1,2", #"{"resource":[{"a":"1","b":"2"}]}"#), (nil, "just text", "null"),
        ("application/octet-stream", "[1]", "[1]"),
        ("multipart/form-data; boundary=x", "broken", "null"),
    ])
    func aBodyByItsType(type: String?, body: String, json: String) {
        #expect(payload(type, body) == json)
    }

    @Test func aBodyThatIsNoText() {
        let request = ServiceRequest(verb: .post, service: "x", body: [0xFF, 0xFE])
        #expect(RequestPayload.json(of: request).isNull)
    }
}

extension String {
    fileprivate func padded(to length: Int) -> String { self + String(repeating: "_", count: length - count) }
}
