/// An HTTP request that leaves this process.
public struct HTTPCall: Sendable {
    /// Any method, such as `PATCH`, written as it is sent.
    public var method: String
    /// An absolute `http:` or `https:` URL.
    public var url: String
    /// Sent in this order. A name may come more than once, a value may be empty.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// For the whole call, from the wait for a connection to the last byte. At most 24 days.
    public var timeout: Duration
    /// How many bytes the answer may have, its headers and body together.
    public var replyLimit: Int
    /// What this answer and others may hold together while they arrive; nil for no such limit.
    public var allowance: ByteAllowance?
    /// How the connection is made.
    public var connection = Connection()
    /// The encodings that are asked for and undone, such as `gzip`, or empty for all that are known; nil leaves the body as
    /// it comes. ``replyLimit`` counts what comes out.
    public var decoding: String?

    /// How a call's connection is made.
    public struct Connection: Sendable, Hashable {
        /// For the look-up, the connection and TLS; nil for as long as the call may take.
        public var timeout: Duration?
        /// Whether the server's certificate must be signed by an authority that the system trusts.
        public var verifiesPeer = true
        /// Whether the certificate must be one for the URL's host.
        public var verifiesHost = true
        /// The oldest version of TLS; nil for libcurl's own choice.
        public var oldestTLS: TLSVersion?
        /// 4 or 6; nil for both.
        public var ipVersion: Int?

        public enum TLSVersion: Sendable, Hashable { case v1_2, v1_3 }

        public init() {}
    }

    public init(
        method: String = "GET", url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        timeout: Duration = .seconds(60), replyLimit: Int = 64 << 20
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.replyLimit = replyLimit
    }
}

extension HTTPCall {
    /// Refuses what would make another request than the one that is meant.
    /// - Throws: ``OutboundError`` with ``OutboundError/Code/invalid``
    func check() throws(OutboundError) {
        guard Self.isToken(method) else { throw OutboundError(.invalid, "The method is not a word.") }
        let isHTTP = ["http://", "https://"].contains { scheme in
            // libcurl is lenient with a third slash, and takes the path for the host.
            url.prefix(scheme.count).lowercased() == scheme
                && url.dropFirst(scheme.count).first.map { $0 != "/" } ?? false
        }
        guard isHTTP, !url.utf8.contains(where: Self.isControl) else {
            throw OutboundError(.invalid, "The URL is not one of http: or https:.")
        }
        // It becomes a header as it stands.
        guard decoding?.utf8.contains(where: Self.isControl) != true else {
            throw OutboundError(.invalid, "The encodings hold a line break or another control character.")
        }
        for (name, value) in headers {
            guard Self.isToken(name) else { throw OutboundError(.invalid, "The name of a header is not a word.") }
            guard !value.utf8.contains(where: { Self.isControl($0) && $0 != UInt8(ascii: "\t") }) else {
                throw OutboundError(.invalid, "The header '\(name)' holds a line break or another control character.")
            }
        }
    }

    /// RFC 9110, 5.6.2: what methods and names of headers are made of.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7f }
}
