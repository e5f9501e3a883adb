import Core
import Testing

/// Named values: who has which, what stands between braces, and where a value goes into a script.
@Suite struct LookupTests {
    private func look(_ name: String, _ value: String, isPrivate: Bool = false) -> Lookup {
        Lookup(name: name, value: value, isPrivate: isPrivate)
    }

    @Test func theAccountThenItsRoleThenTheAppThenTheTenant() {
        let lists = [
            [look("a", "account"), look("p", "account", isPrivate: true)],
            [look("a", "role"), look("r", "role"), look("p", "role", isPrivate: true)],
            [look("a", "app"), look("r", "app"), look("b", "app"), look("mixed", "app")],
            [look("a", "tenant"), look("t", "tenant"), look("mixed", "tenant", isPrivate: true)],
        ]
        let table = LookupTable(lists)
        for (name, value) in [
            ("a", "account"), ("r", "role"), ("b", "app"), ("t", "tenant"), ("p", "account"), ("mixed", "tenant"),
            ("none", nil),
        ] {
            #expect(table[name] == value, "\(name)")
        }
        #expect(table.shown == ["a": "account", "r": "role", "b": "app", "t": "tenant", "mixed": "app"])
        #expect(table.hidden == ["p": "account", "mixed": "tenant"])
    }

    @Test func namesThatCanNotStandBetweenBracesAreRefused() {
        for name in ["a", "A_1", "9", "my-key", "my.key", String(repeating: "x", count: 64)] {
            #expect(Lookup.isValidName(name), "\(name)")
        }
        for name in ["", " a", "a b", "a}", "-a", ".a", "é", "user.email", "session.id", "df.version", "a(b)"]
            + [String(repeating: "x", count: 65)]
        {
            #expect(!Lookup.isValidName(name), "\(name)")
        }
    }

    /// What a string of the script means after its placeholders are replaced: read from the source of JavaScript.
    private func text(_ expression: String, _ value: String) throws -> String? {
        let source = try ScriptSource("'{\(expression)}'", language: .nodejs) { $0 == "x" ? value : nil }
        guard !source.replaced.isEmpty else { return nil }
        let json = source.text.dropFirst().dropLast().replacing("\\x", with: "\\u00")
        return try JSONText(checking: "\"\(json)\"").string
    }

    @Test func modifiersAreThoseOfTheReference() throws {
        for (expression, value, result) in [
            ("x", "As Is", "As Is"), ("strtoupper(x)", "aé1", "Aé1"), ("strtolower(x)", "AÉ1", "aÉ1"),
            ("ucfirst(x)", "ab cd", "Ab cd"), ("lcfirst(x)", "AB CD", "aB CD"),
            ("ucwords(x)", "ab cd\tef-g", "Ab Cd\tEf-g"),
            ("urlencode(x)", "a b&c~d/é", "a+b%26c%7Ed%2F%C3%A9"), ("rawurlencode(x)", "a b&c~d", "a%20b%26c~d"),
            ("urldecode(x)", "a+b%26", "a b&"), ("rawurldecode(x)", "a+b%26", "a+b&"),
            ("base64_encode(x)", "a?>", "YT8+"), ("base64_decode(x)", "YT8+", "a?>"), ("base64_decode(x)", "YQ", "a"),
            ("base64_decode(x)", "Y!Q=", "a"), ("base64_decode(x)", "", ""), ("trim(x)", " \t\na b\r\n\u{0}", "a b"),
            ("strtoupper(trim(x))", " a ", "A"), ("urlencode(base64_encode(strtolower(x)))", "A?>", "YT8%2B"),
            ("ucfirst(x)", "", ""),
            // What is no modifier, is not closed, or is too deep means nothing.
            ("system(x)", "a", nil), ("trim(y)", "a", nil), ("trim(x", "a", nil), ("trimx)", "a", nil),
            ("trim()", "a", nil),
            ("Trim(x)", "a", nil), ("y", "a", nil), ("x ", "a", nil), (" x", "a", nil),
            (String(repeating: "trim(", count: 9) + "x" + String(repeating: ")", count: 9), "a", nil),
        ] {
            #expect(try text(expression, value) == result, "\(expression) of \(value)")
        }
    }

    private struct Place: Sendable {
        let language: ScriptLanguage
        let source: String
        /// With `@` for each value as escapes; nil where nothing is replaced.
        let result: String?
    }

    /// Where a value goes, and where it does not. The value is `é"`.
    private static let places = [
        Place(language: .nodejs, source: "return '{x}';", result: "return '@';"),
        Place(language: .nodejs, source: #"f("a{x}b{x}")"#, result: #"f("a@b@")"#),
        Place(language: .nodejs, source: "`a{x}${b + `{x}` + {x}}{x}`", result: "`a@${b + `@` + {x}}@`"),
        Place(language: .nodejs, source: "const {x} = y; return {x};", result: nil),
        Place(language: .nodejs, source: "// '{x}'\n/* '{x}' */ f('{x}')", result: "// '{x}'\n/* '{x}' */ f('@')"),
        Place(language: .nodejs, source: "a = /'/; b = '{x}'", result: "a = /'/; b = '@'"),
        Place(language: .nodejs, source: "a = b / c; d = '{x}' / e", result: "a = b / c; d = '@' / e"),
        Place(language: .nodejs, source: "a = /[/']/g.test('{x}')", result: "a = /[/']/g.test('@')"),
        Place(language: .nodejs, source: "String.raw`{x}`", result: nil),
        Place(language: .nodejs, source: "return `{x}`", result: "return `@`"),
        Place(language: .nodejs, source: #"'\{x}' + '\\{x}'"#, result: #"'\{x}' + '\\@'"#),
        Place(language: .nodejs, source: "`${x}` + '${x}'", result: nil),
        Place(language: .nodejs, source: "'{x}", result: nil),
        Place(language: .php, source: #"return "a{x}";"#, result: #"return "a@";"#),
        Place(language: .php, source: #"return 'it\'s {x}';"#, result: #"return "\x69\x74\x27\x73\x20@";"#),
        Place(language: .php, source: "f('a\n{x}')", result: "f(\"\\x61\n@\")"),
        Place(language: .php, source: #""{$a['{x}']}{x}${x}{$x}""#, result: #""{$a['{x}']}@${x}{$x}""#),
        Place(language: .php, source: "$a = <<<END\n {x}\n END;\n{x}", result: "$a = <<<END\n @\n END;\n{x}"),
        Place(
            language: .php, source: "$a = <<<'END'\n{x}\nEND;\nf(\"{x}\")", result: "$a = <<<'END'\n{x}\nEND;\nf(\"@\")"
        ),
        Place(
            language: .php, source: "# \"{x}\"\n// \"{x}\" ?>\"{x}\"<?php f(\"{x}\")",
            result: "# \"{x}\"\n// \"{x}\" ?>\"{x}\"<?php f(\"@\")"),
        Place(language: .php, source: "`echo {x}`; $b = {x};", result: nil),
        Place(language: .php, source: "#[A(\"{x}\")]\nf()", result: "#[A(\"@\")]\nf()"),
        Place(language: .python3, source: "return '{x}'", result: "return '@'"),
        Place(language: .python3, source: "a = '''\n'{x}'\n'''", result: "a = '''\n'@'\n'''"),
        Place(language: .python3, source: "f'{x}' + F\"{x}\" + rf'{x}'", result: nil),
        Place(
            language: .python3, source: "r'\\d{x}' + R\"\"\"a\n{x}\"\"\"",
            result: "'\\x5c\\x64@' + \"\"\"\\x61\n@\"\"\""),
        Place(language: .python3, source: "u'{x}'", result: "u'@'"),
        Place(language: .python3, source: "# '{x}'\na = {x}", result: nil),
        Place(language: .python3, source: "'it\\'s {x}'", result: "'it\\'s @'"),
        Place(language: .python3, source: "'open\nb = '{x}'", result: "'open\nb = '@'"),
    ]

    @Test(arguments: places)
    private func valuesGoIntoStringsAndNowhereElse(place: Place) throws {
        let source = try ScriptSource(place.source, language: place.language) { $0 == "x" ? "é\"" : nil }
        let value = place.language == .php ? "\\xc3\\xa9\\x22" : "\\xe9\\x22"
        #expect(source.text == (place.result ?? place.source).replacing("@", with: value))
        #expect(source.replaced.isEmpty == (place.result == nil))
        // No line is added or taken.
        #expect(source.text.count(where: \.isNewline) == place.source.count(where: \.isNewline))
    }

    @Test func bytesAndWideCharactersAreWrittenAsTheLanguageHasThem() throws {
        for (language, source, result) in [
            (ScriptLanguage.nodejs, "'{x}'", #"'\x61\u20ac\ud83d\ude00'"#),
            (.python3, "'{x}'", #"'\x61\u20ac\U0001f600'"#),
            (.python3, "b'{x}'", #"b'\x61\xe2\x82\xac\xf0\x9f\x98\x80'"#),
            (.python3, "rb'{x}'", #"b'\x61\xe2\x82\xac\xf0\x9f\x98\x80'"#),
            (.php, "'{x}'", #""\x61\xe2\x82\xac\xf0\x9f\x98\x80""#),
        ] {
            #expect(try ScriptSource(source, language: language) { _ in "a\u{20AC}\u{1F600}" }.text == result)
        }
    }

    @Test func itSaysWhereAndHowLarge() throws {
        let source = try ScriptSource("a = '{x}'\nb = {y}\n// {x}\nc = `{trim(x)}`", language: .nodejs) { _ in "v" }
        #expect(source.replaced.map { "\($0.expression) \($0.line)" } == ["x 1", "trim(x) 4"])
        #expect(source.left.map { "\($0.expression) \($0.line)" } == ["y 2", "x 3"])
        let many = String(repeating: "'{x}'\n", count: 10_000)
        #expect(throws: ScriptSource.TooLarge.self) {
            try ScriptSource(many, language: .php) { _ in String(repeating: "v", count: 1000) }
        }
    }

    /// Whatever a stranger writes is read to its end, once.
    @Test func brokenSourcesAreReadToTheirEnd() throws {
        let parts = [
            "'", "\"", "`", "${", "{x}", "}", "/", "[", "\\", "<<<A\n", "'''", "r'", "{$", "?>", "#", "\n", "/*", "{",
        ]
        for language in [ScriptLanguage.nodejs, .php, .python3] {
            for first in parts {
                for second in parts {
                    let text = String(repeating: first + second, count: 3) + "{x}" + second
                    _ = try ScriptSource(text, language: language) { _ in "v" }
                    _ = try ScriptSource(String(repeating: first + second, count: 2_000) + "{x}", language: language) {
                        $0 == "x" ? "v" : nil
                    }
                }
            }
        }
    }

    @Test func valuesAreMasked() throws {
        let mask = SecretMask([
            "hunter22", "two\nlines here", "abc", "a\"quoted\"one", String(repeating: "long-secret-", count: 20),
        ])
        for (text, masked) in [
            ("it is hunter22!", "it is **********!"), ("hunter22hunter22", "********************"),
            ("hunter2", "hunter2"),
            ("lines here, abc", "**********, abc"), (#"{"k":"a\"quoted\"one"}"#, #"{"k":"**********"}"#),
            ("aHVudGVyMjI=", "**********"), (#"\x68\x75\x6e\x74\x65\x72\x32\x32"#, "**********"),
            (String(repeating: "long-secret-", count: 20) + "x", "**********x"),
            ("long-secret-long", "long-secret-long"), ("", ""),
        ] {
            #expect(mask.applied(to: text) == masked, "\(text)")
        }
        let json = try JSONText(checking: #"{"hunter22":["hunter22",1,{"a":"x hunter22"}]}"#)
        #expect(mask.applied(to: json).text == #"{"hunter22":["**********",1,{"a":"x **********"}]}"#)
        // Many that begin alike hide too much rather than too little.
        let alike = (0..<20).map { String(repeating: "a", count: 16) + "\($0)" }
        let hidden = SecretMask(alike)
        for value in alike { #expect(!hidden.applied(to: "x \(value) y\nz").contains(value)) }
        #expect(SecretMask([String]()).applied(to: "as it is") == "as it is")
    }
}
