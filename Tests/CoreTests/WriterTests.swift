import Core
import Testing

/// JSON as XML and CSV.
@Suite struct WriterTests {
    private func xml(_ json: String, limit: Int = 1 << 20) throws -> String {
        let text = String(decoding: XMLWriter.bytes(try JSONText(checking: json), limit: limit), as: UTF8.self)
        // Spacing between elements is for people.
        return text.filter { $0 != "\n" && $0 != "\t" }.replacing(#"<?xml version="1.0" ?>"#, with: "")
    }

    private func csv(_ json: String, limit: Int = 1 << 20) throws -> String {
        String(decoding: CSVWriter.bytes(try JSONText(checking: json), limit: limit), as: UTF8.self)
    }

    @Test(arguments: [
        (#"{}"#, "<dfapi></dfapi>"),
        (#"{"a":{},"b":[],"c":null,"d":true,"e":""}"#, "<dfapi><a></a><b></b><c></c><d>true</d><e></e></dfapi>"),
        (#"{"a":[1,[2,[3]],{"b":4},[]]}"#, "<dfapi><a>1</a><a>2</a><a>3</a><a><b>4</b></a><a></a></dfapi>"),
        (#"[{"a":1},{"a":2}]"#, "<dfapi><resource><a>1</a></resource><resource><a>2</a></resource></dfapi>"),
        (
            #"{"a b":1,"1x":2,"":3,"x:y":4,"<&>":5,"é":6,"-":7}"#,
            "<dfapi><a_b>1</a_b><_1x>2</_1x><_>3</_><x_y>4</x_y><___>5</___><é>6</é><_->7</_-></dfapi>"
        ),
        (#"{"a":"<b>&\"'\r\u0001\ud83d\ude00"}"#, "<dfapi><a>&lt;b&gt;&amp;&quot;&#039;&#13;\u{FFFD}😀</a></dfapi>"),
        (#" { "a" : [ 1 , 2 ] , "b" : "x" } "#, "<dfapi><a>1</a><a>2</a><b>x</b></dfapi>"),
        (#"{"a":"\"}],{","b":"\\"}"#, "<dfapi><a>&quot;}],{</a><b>\\</b></dfapi>"),
    ])
    func asXML(json: String, expected: String) throws {
        #expect(try xml(json) == expected)
    }

    @Test(arguments: [
        (#"{"a":1,"b":"x"}"#, "a,b\n1,x\n"), ("{}", ""), ("[]", ""), (#"{"resource":[]}"#, ""),
        (#"{"resource":[{"a":1},{"b":2,"a":3}]}"#, "a,b\n1,\n3,2\n"),
        (#"{"error":{"code":404,"message":"no"}}"#, "code,message\n404,no\n"),
        (
            #"[{"a":"x,y","b":"q\"q","c":"l\nl","d":" s","e":{"k":[1]},"f":null,"g":false}]"#,
            "a,b,c,d,e,f,g\n\"x,y\",\"q\"\"q\",\"l\nl\",\" s\",\"{\"\"k\"\":[1]}\",,false\n"
        ),
        (#"[[1,2],[3,"a,b"]]"#, "1,2\n3,\"a,b\"\n"), (#"{"resource":"text"}"#, "resource\ntext\n"),
    ])
    func asCSV(json: String, expected: String) throws {
        #expect(try csv(json) == expected)
    }

    @Test func writingStopsSoonAfterItsLimit() throws {
        let wide = "[" + (0..<3000).map { #"{"k\#($0)":1}"# }.joined(separator: ",") + "]"
        #expect((1000...40_000).contains(try csv(wide, limit: 1000).utf8.count))
        let deep =
            String(repeating: #"{"a":"#, count: 500) + "[" + Array(repeating: "1", count: 9000).joined(separator: ",")
            + "]" + String(repeating: "}", count: 500)
        let bytes = XMLWriter.bytes(try JSONText(checking: deep), limit: 300_000)
        #expect((300_000...301_000).contains(bytes.count))
    }
}
