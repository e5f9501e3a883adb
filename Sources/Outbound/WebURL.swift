import CLibCurl

/// An absolute `http:` or `https:` URL as libcurl reads it, so that what is judged is what is dialled: numbers in any form
/// have become an address, steps in the path are taken, percent signs in the host are decoded.
public struct WebURL: Sendable, Hashable {
    /// `http` or `https`.
    public let scheme: String
    /// In lower case; an IPv6 address is in brackets.
    public let host: String
    /// The scheme's own where the URL names none.
    public let port: Int
    /// Begins with a slash; as it is sent.
    public let path: String
    /// As it is sent, without `?`.
    public var query: String?
    /// What stands before `@`, decoded; nil where nothing does. It is no part of ``text``.
    public let user: String?
    public let password: String?

    /// - Parameter base: what a relative reference is resolved against, as in a redirect.
    public init?(_ text: String, relativeTo base: WebURL? = nil) {
        guard text.utf8.count <= Self.longest, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }),
            let handle = curl_url()
        else { return nil }
        defer { curl_url_cleanup(handle) }
        let flags = UInt32(CURLU_URLENCODE)
        if let base, curl_url_set(handle, CURLUPART_URL, base.text, flags) != CURLUE_OK { return nil }
        // libcurl is lenient with a third slash, and takes the path for the host.
        guard !text.contains(/^[A-Za-z]*:?\/{3}/),
            curl_url_set(handle, CURLUPART_URL, text.replacing(" ", with: "%20"), flags) == CURLUE_OK,
            let scheme = Self.part(CURLUPART_SCHEME, of: handle)?.lowercased(), ["http", "https"].contains(scheme),
            let host = Self.part(CURLUPART_HOST, of: handle)?.lowercased(),
            // A host that is not ASCII can not be looked up in this process's locale: it is written as `xn--…`.
            !host.isEmpty, host.utf8.allSatisfy({ $0 < 0x80 && $0 > 0x20 }),
            let port = Self.part(CURLUPART_PORT, of: handle, UInt32(CURLU_DEFAULT_PORT)).flatMap({ Int($0) }),
            let path = Self.part(CURLUPART_PATH, of: handle)
        else { return nil }
        let user = Self.part(CURLUPART_USER, of: handle, UInt32(CURLU_URLDECODE))
        // Others read a backslash as a slash, and so another host.
        if user?.contains("\\") == true { return nil }
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path.isEmpty ? "/" : path
        query = Self.part(CURLUPART_QUERY, of: handle)
        self.user = user
        password = Self.part(CURLUPART_PASSWORD, of: handle, UInt32(CURLU_URLDECODE))
    }

    /// Longer ones no server takes.
    private static let longest = 16 << 10

    private static func part(_ part: CURLUPart, of handle: OpaquePointer, _ flags: UInt32 = 0) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, part, &text, flags) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }

    /// The URL without what identifies the caller, and without a fragment: as it is dialled.
    public var text: String { origin + path + (query.map { "?\($0)" } ?? "") }

    /// Scheme, host and port: `https://api.example:8443`. Safe to show: neither a name nor a password is in it.
    public var origin: String { "\(scheme)://\(host)" + (port == defaultPort ? "" : ":\(port)") }

    private var defaultPort: Int { scheme == "https" ? 443 : 80 }

    /// The host without the dot that ends a name in full.
    public var hostName: String { host.hasSuffix(".") ? String(host.dropLast()) : host }

    /// Whether both are served by the same scheme, host and port (RFC 6454).
    public func hasSameOrigin(as other: WebURL) -> Bool {
        scheme == other.scheme && hostName == other.hostName && port == other.port
    }
}
