import Outbound
import Testing

@Suite struct AddressGuardTests {
    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
        "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "4000::1",
    ])
    func refusesWhatIsNotPublic(text: String) throws {
        #expect(!AddressGuard().permits(try #require(IPAddress(text))))
    }

    @Test(arguments: [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.1", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "198.17.255.255",
        "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1",
    ])
    func permitsPublicAddresses(text: String) throws {
        #expect(AddressGuard().permits(try #require(IPAddress(text))))
    }

    @Test func permitsANetworkThatIsAllowedAndNoNeighbour() throws {
        let networks = try ["10.1.0.0/20", "fd00::/9", "127.0.0.2"].map { try #require(IPNetwork($0)) }
        let addressGuard = AddressGuard(allowing: networks)
        for text in ["10.1.0.0", "10.1.15.255", "::ffff:10.1.2.3", "fd00::1", "fd7f::1", "127.0.0.2"] {
            #expect(addressGuard.permits(try #require(IPAddress(text))), "\(text)")
        }
        for text in ["10.1.16.0", "10.0.255.255", "fd80::1", "fc00::1", "127.0.0.1", "::ffff:127.0.0.1"] {
            #expect(!addressGuard.permits(try #require(IPAddress(text))), "\(text)")
        }
    }

    @Test(arguments: ["", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "::/129", "10.1/16", "host"])
    func takesNoNetworkThatIsNone(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test(arguments: ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "fe80::1%eth0", "[::1]", " 127.0.0.1"])
    func readsNoFormThatLeavesDoubt(text: String) {
        #expect(IPAddress(text) == nil)
    }
}
