import Core
import Testing

@Suite struct JSONTextTests {
    @Test(arguments: [
        "null", "true", "0", "-0", "-12.5e+10", "1E400", "123456789012345678901234567890", "\"\"", "[]", "{}",
        #"{"b":1,"a":[1.0,2.50],"b":null}"#, #""\u00e9\ud83d\ude00\n\/""#, "[[[[]]]]", #"{"":""}"#,
    ])
    func keepsWhatIsValidAsItWasWritten(text: String) throws {
        #expect(try JSONText(checking: text).text == text)
        #expect(try JSONText(checking: " \n\t\r" + text + " ").text == text)
    }

    @Test(arguments: [
        ("", JSONError.Code.unexpectedEnd), ("{", .unexpectedEnd), ("[1,]", .unexpectedCharacter),
        ("{\"a\":1,}", .unexpectedCharacter), ("{a:1}", .unexpectedCharacter), ("nul", .unexpectedEnd),
        ("nulx", .unexpectedCharacter), ("01", .invalidNumber), ("1.", .invalidNumber), ("-", .invalidNumber),
        ("1e", .invalidNumber), ("+1", .unexpectedCharacter), ("NaN", .unexpectedCharacter),
        ("\"\\x\"", .invalidEscape), ("\"\\u12g4\"", .invalidEscape), ("\"a\nb\"", .controlCharacter),
        ("\"\\ud800\"", .loneSurrogate), ("\"\\udc00\"", .loneSurrogate), ("\"\\ud800\\u0041\"", .loneSurrogate),
        ("1 2", .trailingText), ("'a'", .unexpectedCharacter), ("[1", .unexpectedEnd), ("\"abc", .unexpectedEnd),
    ])
    func refusesWhatIsNot(text: String, code: JSONError.Code) {
        let error = #expect(throws: JSONError.self) { try JSONText(checking: text) }
        #expect(error?.code == code)
    }

    @Test func refusesWhatIsNotUTF8() {
        let error = #expect(throws: JSONError.self) { try JSONText(checking: [0x22, 0xFF, 0x22]) }
        #expect(error?.code == .notUTF8)
    }

    @Test func refusesDepthThatCouldExhaustAStack() throws {
        let deep = JSONText.maximumDepth
        _ = try JSONText(checking: String(repeating: "[", count: deep) + String(repeating: "]", count: deep))
        let error = #expect(throws: JSONError.self) { try JSONText(checking: String(repeating: "[", count: 1_000_000)) }
        #expect(error?.code == .tooDeep)
    }

    @Test func saysWhere() {
        let error = #expect(throws: JSONError.self) { try JSONText(checking: "{\n  \"a\": tru\n}") }
        #expect(error?.line == 2)
        #expect(error?.column == 8)
    }

    @Test func findsMembersAsTheyWereWritten() throws {
        let json = try JSONText(
            checking: #"{"a": [1, 2.0 ,{"x":1e3}] ,"\u0062":"q\"\ud83d\ude00","a":12345678901234567890}"#)
        #expect(json.members.map(\.key) == ["a", "b", "a"])
        #expect(json["b"]?.string == "q\"😀")
        #expect(json["a"]?.text == "12345678901234567890", "the last one counts")
        #expect(json.members[0].value.elements.map(\.text) == ["1", "2.0", #"{"x":1e3}"#])
        #expect(json["missing"] == nil)
    }

    @Test(arguments: ["", "plain", "\"\\\u{08}\u{0C}\n\r\t\u{1}\u{1F}", "é😀\u{2028}", "a\u{0}b"])
    func quotesSoThatItReadsBack(text: String) throws {
        #expect(try JSONText(checking: JSONText.quoted(text)).string == text)
    }

    @Test func tellsNULFromTextAboutIt() throws {
        for text in [#"{"a":"x\u0000"}"#, #"["\\\u0000"]"#, #"{"\u0000":1}"#] {
            let error = #expect(throws: JSONError.self) { try JSONText(checking: text, refusingNUL: true) }
            #expect(error?.code == .nul)
            _ = try JSONText(checking: text)
        }
        for text in [#"["\\u0000", "\\\\u0000"]"#, #"["u0000", "\u0001"]"#] {
            _ = try JSONText(checking: text, refusingNUL: true)
        }
    }

    @Test func readsNumbers() throws {
        #expect(try JSONText(checking: "3.0").integer == 3)
        #expect(try JSONText(checking: "3.5").integer == nil)
        #expect(try JSONText(checking: "1e300").integer == nil)
        #expect(JSONText.number(2).text == "2")
        #expect(JSONText.number(.nan).isNull)
    }
}
