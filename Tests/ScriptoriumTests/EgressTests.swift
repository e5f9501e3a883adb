import Core
import Outbound
import TestSupport
import Testing

/// Where scripts' calls may not go. In this world every address that is named here would answer.
@Suite(.enabled(if: OutsideWorld.obstacle == nil, Comment(rawValue: OutsideWorld.obstacle ?? "")))
struct EgressTests {
    /// What is dialled for an address that a tenant must not reach, and what the log says of it.
    private static let corpus: [(url: String, names: String)] = [
        // This machine.
        ("http://127.0.0.1/", "a loopback address"), ("http://127.1.2.3:8080/", "a loopback address"),
        ("http://localhost/", "a loopback address"), ("http://localhost./", "could not reach http://localhost.:"),
        ("http://LOCALHOST:8080/x", "a loopback address"), ("http://[::1]/", "a loopback address"),
        ("https://127.0.0.1/", "a loopback address"), ("https://localhost/api/v2/python3-caller", "a loopback address"),
        ("http://0.0.0.0/", "a reserved address"), ("http://0/", "a reserved address"),
        ("http://[::]/", "a reserved address"),
        // The same in other words.
        ("http://2130706433/", "a loopback address"), ("http://0x7f000001/", "a loopback address"),
        ("http://0x7f.1/", "a loopback address"), ("http://0177.0.0.1/", "a loopback address"),
        ("http://017700000001/", "a loopback address"), ("http://127.1/", "a loopback address"),
        ("http://%31%32%37.0.0.1/", "a loopback address"), ("http://127。0。0。1/", "a host in ASCII"),
        ("http://①②⑦.0.0.1/", "a host in ASCII"), ("http://ⓛocalhost/", "a host in ASCII"),
        ("http://[::ffff:127.0.0.1]/", "a loopback address"), ("http://[::ffff:7f00:1]/", "a loopback address"),
        ("http://[0:0:0:0:0:ffff:169.254.169.254]/", "a link-local address"),
        ("http://[::127.0.0.1]/", "a reserved address"),
        // Networks of the installation and its clouds.
        ("http://10.0.0.5/", "a private address"), ("http://172.16.0.5/", "a private address"),
        ("http://192.168.0.5/", "a private address"), ("http://100.64.0.5/", "a shared (CGNAT) address"),
        ("http://169.254.169.254/latest/meta-data/", "a link-local address"),
        ("http://2852039166/latest/meta-data/", "a link-local address"), ("http://[fd00::5]/", "a private address"),
        ("http://[fe80::1]/", "a link-local address"), ("http://[fe80::1%25lo]/", "a link-local address"),
        ("http://[fec0::5]/", "a reserved address"),
        ("http://192.0.2.5/", "a reserved address"), ("http://198.18.0.5/", "a reserved address"),
        ("http://203.0.113.5/", "a reserved address"), ("http://240.0.0.5/", "a reserved address"),
        ("http://255.255.255.255/", "a reserved address"), ("http://[2001:db8::5]/", "a reserved address"),
        ("http://224.0.0.1/", "a multicast address"), ("http://[ff02::1]/", "a multicast address"),
        // An address within an address.
        ("http://[2002:7f00:1::]/", "6to4"), ("http://[64:ff9b::7f00:1]/", "NAT64"),
        ("http://[64:ff9b::808:808]/", "NAT64"), ("http://[2001::5]/", "Teredo"),
        // Names that lead there.
        ("http://inner.a-10-0-0-5.test/", "inner.a-10-0-0-5.test: It leads to a private address"),
        ("http://inner.a-127-0-0-1.test.:8080/", "a loopback address"),
        ("http://inner.a-169-254-169-254.test/", "a link-local address"),
        ("http://a.a-10-0-0-5.a-127-0-0-1.test/", "address"),
        // Who is in front of the @ says nothing of where it goes.
        ("http://\(OutsideWorld.address)@127.0.0.1/", "http://127.0.0.1: It leads to a loopback address"),
        ("http://localhost:80@10.0.0.5/api/v2/python3-caller", "a private address"),
        ("http://\(OutsideWorld.address):80@localhost:8080/", "a loopback address"),
        ("http://127.0.0.1#@\(OutsideWorld.address)/", "a loopback address"),
        ("http://127.0.0.1?@\(OutsideWorld.address)/", "a loopback address"),
        // Other schemes, and what is no URL.
        ("file:///etc/passwd", "calls http: and https: URLs"),
        ("FILE://localhost/etc/passwd", "calls http: and https: URLs"),
        ("gopher://127.0.0.1:8080/_GET", "calls http: and https: URLs"),
        ("dict://127.0.0.1:8080/x", "calls http: and https"),
        ("ftp://127.0.0.1/", "calls http: and https: URLs"), ("ldap://127.0.0.1/", "calls http: and https: URLs"),
        ("unix:///run/docker.sock", "calls http: and https: URLs"),
        ("http:///etc/passwd", "calls http: and https: URLs"),
        ("http://\(OutsideWorld.address)\\@127.0.0.1/", "calls http: and https: URLs"),
        ("http://127.0.0.1\\@\(OutsideWorld.address)/", "calls http: and https: URLs"),
        ("http://127.0.0.1\\\(OutsideWorld.address)/", ""),
        ("http://\(OutsideWorld.address)\r\nHost: x/", "calls http: and https: URLs"),
    ]

    /// For rows that need nothing of their own.
    private static let shared = Task {
        let caller = try await OutsideCaller(in: try await OutsideWorld.shared(), languages: ["php", "python3"])
        try await caller.tenant.save("leaf", "php", "return ['key' => $platform['session']['api_key']];")
        return caller
    }

    @Test func nothingOfThatIsReachedAndEachIsNamedInTheLog() async throws {
        let caller = try await OutsideCaller(in: try await OutsideWorld.shared())
        let (results, log) = try await caller.make(Self.corpus.map { .init(path: $0.url) })
        for (row, result) in zip(Self.corpus, results) {
            let status = try #require(result["status"]?.integer)
            #expect([400, 403, 502].contains(status), "\(row.url): \(result)")
            #expect(result["body"]?.string?.contains("reached") == false, "\(row.url): \(result)")
            guard !row.names.isEmpty else { continue }
            #expect(result["body"]?.string?.contains(row.names) == true, "\(row.url): \(result)")
        }
        // One line for each that was refused, in the order of the calls.
        let refused = zip(Self.corpus, results).filter { $0.1["status"]?.integer != 502 }
        try #require(log.count == refused.count, "\(log)")
        for (line, (row, _)) in zip(log, refused) {
            #expect(line.hasPrefix("GET refused: "), "\(line)")
            #expect(line.contains(row.names), "\(row.url): \(line)")
        }
    }

    @Test(arguments: [
        "http://127.0.0.1:8080/", "http://169.254.169.254/latest/", "http://[::1]/", "http://2130706433/",
        "http://inner.a-10-0-0-5.test/", "http://u:p@192.168.0.5/", "//100.64.0.5/", "http://[::ffff:10.0.0.5]/",
        "file:///etc/passwd", "gopher://127.0.0.1/", "http://localhost/api/v2/python3-caller",
        "\(OutsideWorld.publicURL)/api/v2/python3-caller",
    ])
    func aRedirectLeadsNoFurther(target: String) async throws {
        let caller = try await Self.shared.value
        let escaped = target.replacing("&", with: "%26").replacing("#", with: "%23")
        let (results, log) = try await caller.make(
            [
                .init(path: "http://\(OutsideWorld.address)/redirect?to=\(escaped)"),
                .init(
                    path:
                        "http://\(OutsideWorld.address)/redirect?to=http://\(OutsideWorld.address)/redirect?to=\(escaped)"
                ),
            ], language: "php")
        for result in results {
            #expect(result["status"]?.integer == 403, "\(result)")
            #expect(!result.text.contains("reached"))
        }
        #expect(log.count == 2)
        #expect(log.allSatisfy { $0.hasPrefix("GET refused: ") }, "\(log)")
    }

    /// What was looked up once says nothing of what is dialled later.
    @Test func aNameThatChangesItsAddressIsJudgedEachTime() async throws {
        let caller = try await OutsideCaller(in: try await OutsideWorld.shared())
        let url = "http://turn-\(UInt32.random(in: 0 ... .max)).a-9-9-9-9.a-127-0-0-1.test/"
        let (results, log) = try await caller.make([.init(path: url), .init(path: url), .init(path: url)])
        #expect(results.map { $0["status"]?.integer } == [200, 403, 403])
        #expect(log.count == 2)
    }

    @Test func aNameWithAGoodAddressAmongOthersIsDialledThereAlone() async throws {
        let caller = try await OutsideCaller(in: try await OutsideWorld.shared())
        let result = try await caller.make(.init(path: "http://both.a-10-0-0-5.a-9-9-9-9.test:8080/"))
        #expect(try reached(result)["at"]?.string == OutsideWorld.address)
    }

    @Test func publicAddressesAreReached() async throws {
        let caller = try await OutsideCaller(in: try await OutsideWorld.shared())
        for url in [
            "http://\(OutsideWorld.address)/", "http://[\(OutsideWorld.publicIPv6)]:8080/", "http://x.a-9-9-9-9.test./",
            "http://[::ffff:\(OutsideWorld.address)]/",
        ] {
            #expect(try await caller.make(.init(path: url))["status"]?.integer == 200, "\(url)")
        }
    }

    @Test func noneLetsNothingOutAndAListLetsMoreOut() async throws {
        let world = try await OutsideWorld.shared()
        let closed = try await OutsideCaller(in: world, quotas: #"{"egress":"none"}"#)
        let (refused, log) = try await closed.make([.init(path: "http://\(OutsideWorld.address)/")])
        #expect(refused[0]["status"]?.integer == 403)
        #expect(refused[0]["body"]?.string?.contains(#""limit":"egress""#) == true)
        #expect(log.count == 1)
        let open = try await OutsideCaller(
            in: world, quotas: #"{"egress":["10.0.0.0/8","Named.a-192-168-0-5.test","127.0.0.1"]}"#)
        for (url, status) in [
            ("http://10.0.0.5/", 200), ("http://x.a-10-0-0-5.test/", 200), ("http://named.a-192-168-0-5.test./", 200),
            ("http://127.0.0.1:8080/", 200), ("http://\(OutsideWorld.address)/", 200), ("http://127.0.0.2/", 403),
            ("http://192.168.0.5/", 403), ("http://other.a-192-168-0-5.test/", 403), ("http://172.16.0.5/", 403),
        ] {
            #expect(try await open.make(.init(path: url))["status"]?.integer == status, "\(url)")
        }
        let lifted = try await OutsideCaller(in: world, quotas: #"{"egress":null}"#)
        #expect(try await lifted.make(.init(path: "http://10.0.0.5/"))["status"]?.integer == 403)
    }

    /// A host that is allowed by name does not lead to where clouds keep their credentials.
    @Test func anAllowedNameIsNotFollowedToLinkLocalAddresses() async throws {
        let caller = try await OutsideCaller(
            in: try await OutsideWorld.shared(), quotas: #"{"egress":["x.a-169-254-169-254.test"]}"#)
        #expect(try await caller.make(.init(path: "http://x.a-169-254-169-254.test/"))["status"]?.integer == 403)
    }

    @Test func nobodyElsesConnectionIsUsedAgain() async throws {
        let world = try await OutsideWorld.shared()
        let allowed = try await OutsideCaller(in: world, quotas: #"{"egress":["10.0.0.0/8"]}"#)
        let other = try await OutsideCaller(in: world)
        for _ in 0..<3 {
            #expect(try await allowed.make(.init(path: "http://10.0.0.5/"))["status"]?.integer == 200)
            #expect(try await other.make(.init(path: "http://10.0.0.5/"))["status"]?.integer == 403)
        }
    }

    @Test(arguments: [
        #"["10.0.0.0/33"]"#, #"["http://x/"]"#, #"["x:80"]"#, #"["2130706433"]"#, #"["127.1"]"#, #"["*"]"#,
        #"["-a.b"]"#,
        #"[""]"#, #"["a..b"]"#, #"["käse.example"]"#,
    ])
    func whatIsNeitherHostNorNetworkIsRefusedByTheOperatorsAPI(egress: String) async throws {
        let world = try await OutsideWorld.shared()
        let error = await #expect(throws: NeverHappened.self) {
            try await world.installation.tenant(quotas: #"{"egress":\#(egress)}"#)
        }
        #expect(error?.description.contains("neither a host") == true)
    }

    // MARK: What stays inside

    @Test(arguments: [
        "http://localhost/api/v2/leaf", "HTTP://LOCALHOST/api/v2/leaf", "http://localhost:1/api/v2/leaf/",
        "http://localhost./api/v2/leaf", "http://user:pass@localhost/api/v2/leaf",
        "\(OutsideWorld.publicURL)/api/v2/leaf",
        "http://PUBLIC.a-1-2-3-4.test:80/base/api/v2/leaf", "http://public.a-1-2-3-4.test./base/api/v2/leaf",
        "/api/v2/leaf",
        "leaf", "http://localhost/other/../api/v2/leaf",
    ])
    func aCallOfTheInstallationIsNeverDialled(url: String) async throws {
        let world = try await OutsideWorld.shared()
        let caller = try await Self.shared.value
        let before = try world.seen().filter { $0.text.contains("leaf") }.count
        // Who calls has no say in where it goes.
        let result = try await caller.make(
            .init(path: url), headers: [(name: "Host", value: "\(OutsideWorld.address):8080")])
        #expect(result["status"]?.integer == 200, "\(result)")
        #expect(result["body"]?.string?.contains(caller.tenant.apiKey) == true)
        #expect(try world.seen().filter { $0.text.contains("leaf") }.count == before)
    }

    @Test func whatOnlyLooksLikeTheInstallationIsDialledWithoutItsCredentials() async throws {
        let world = try await OutsideWorld.shared()
        let caller = try await OutsideCaller(in: world)
        for url in [
            "http://localhost:80@\(OutsideWorld.address)/api/v2/other",
            "http://public.a-1-2-3-4.test@\(OutsideWorld.address)/base/api/v2/other",
            "http://localhost.a-9-9-9-9.test/api/v2/other", "http://public.a-1-2-3-4.test:8080/base/api/v2/other",
            "http://public.a-1-2-3-4.test/based/api/v2/other",
        ] {
            let reached = try reached(try await caller.make(.init(path: url)))
            #expect(!reached.text.contains(caller.tenant.apiKey))
            #expect(reached["headers"]?["x-dreamfactory-api-key"] == nil)
        }
    }
}
