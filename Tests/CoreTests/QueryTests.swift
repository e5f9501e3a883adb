import Core
import Testing

@Suite struct QueryTests {
    @Test(arguments: [
        ("", "{}"), ("a=1&b=x+y%20z", #"{"a":"1","b":"x y z"}"#), ("a=1&a=2", #"{"a":"2"}"#), ("a", #"{"a":""}"#),
        ("a[]=1&a[]=2", #"{"a":["1","2"]}"#), ("a[b]=1&a[c][d]=2", #"{"a":{"b":"1","c":{"d":"2"}}}"#),
        ("a[5]=x&a[]=y", #"{"a":{"5":"x","6":"y"}}"#), ("a%5Bb%5D=1", #"{"a":{"b":"1"}}"#), ("=1", "{}"),
        ("a[b=1", #"{"a[b":"1"}"#), ("%zz=%4", #"{"%zz":"%4"}"#), ("a=%00", #"{"a":"\#u{FFFD}"}"#),
    ])
    func parametersNestAsInPHP(query: String, json: String) {
        #expect(Query.parameters(query).text == json)
    }

    @Test func deepBracketsStayAName() {
        let name = "a" + String(repeating: "[b]", count: 1000)
        #expect(Query.parameters(name + "=1").members.first?.key == name)
    }

    @Test func encodesWhatIsReserved() {
        #expect(Query.encode("a b/é&=~-._") == "a%20b%2F%C3%A9%26%3D~-._")
        #expect(Query.decode(Query.encode("a b/é&=+%")) == "a b/é&=+%")
    }

    @Test func masksCredentials() {
        #expect(CredentialMask.query("a=1&api_key=secret&b=2") == "a=1&api_key=***&b=2")
        #expect(CredentialMask.query("api%5Fkey=secret") == "api%5Fkey=***")
        #expect(CredentialMask.query("session_token=x") == "session_token=***")
    }
}
