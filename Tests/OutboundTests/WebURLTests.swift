import Outbound
import Testing

@Suite struct WebURLTests {
    @Test(arguments: [
        ("http://Host.example", "http://host.example/"), ("HTTPS://h:443/a?b=c#d", "https://h/a?b=c"),
        ("http://h:8080/a b", "http://h:8080/a%20b"), ("http://u:p@h/x", "http://h/x"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://h/a/../b", "http://h/b"), ("http://[::1]:81/", "http://[::1]:81/"), ("http://%68/", "http://h/"),
    ])
    func isReadAsItIsDialled(text: String, dialled: String) throws {
        #expect(try #require(WebURL(text)).text == dialled)
    }

    @Test(arguments: [
        "", "x", "/x", "//h/", "file:///etc/passwd", "ftp://h/", "http://", "http:///h", "https:///h", "http:h",
        "http://h:99999/",
        "http://[::1", "http://a b/", "http://h\r\n/", "http://h\0/", "http://ü.example/", "http://a\\@b/",
        "http://h/\(String(repeating: "x", count: 17 << 10))",
    ])
    func takesNoOther(text: String) {
        #expect(WebURL(text) == nil)
    }

    @Test(arguments: [
        ("/y?z", "https://h:8443/y?z"), ("y", "https://h:8443/a/y"), ("//o/y", "https://o/y"),
        ("http://o/", "http://o/"),
        ("?q", "https://h:8443/a/b?q"), ("../../y", "https://h:8443/y"),
    ])
    func aReferenceIsResolved(text: String, resolved: String) throws {
        let base = try #require(WebURL("https://u:p@h:8443/a/b"))
        #expect(try #require(WebURL(text, relativeTo: base)).text == resolved)
    }

    @Test(arguments: [
        ("http://h/", "http://H:80/x", true), ("http://h/", "http://h./", true), ("http://h/", "https://h/", false),
        ("http://h/", "http://h:81/", false), ("http://h/", "http://g/", false),
    ])
    func originsAreCompared(one: String, other: String, same: Bool) throws {
        #expect(try #require(WebURL(one)).hasSameOrigin(as: try #require(WebURL(other))) == same)
    }
}
