import CLibPQ

/// Where a link leads and how long it may take to get there.
struct LinkTarget: Sendable {
    let url: String
    let applicationName: String
    let connectTimeout: Duration
    let prepares: Bool

    init(url: String, applicationName: String, connectTimeout: Duration = .seconds(5), prepares: Bool = true) {
        self.url = url
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.prepares = prepares
    }

    init(_ options: DatabaseOptions) {
        self.init(
            url: options.url, applicationName: options.applicationName, connectTimeout: options.connectTimeout,
            prepares: options.prepare)
    }

    /// Parameters in libpq's order of precedence: the later wins, so the URL may overrule all but the encoding.
    ///
    /// The keep-alives find a server that has vanished without a word within about 25 s instead of two hours.
    private var parameters: [(String, String)] {
        [
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"), ("fallback_application_name", applicationName),
            ("dbname", url), ("client_encoding", "UTF8"),
        ]
    }

    /// - Throws: `DatabaseError.Code.protocolMisuse` where the URL can not be read. libpq's own message is withheld: it
    ///   may quote the password.
    func begin() throws(DatabaseError) -> OpaquePointer {
        _ = try DatabaseAddress(url: url)
        let handle = withCStrings(parameters.map(\.0)) { keywords in
            withCStrings(parameters.map(\.1)) { values in PQconnectStartParams(keywords, values, 1) }
        }
        guard let handle else { throw DatabaseError(.unavailable, "no memory for a connection") }
        // Only so does libpq tell the SQLSTATE of a refusal.
        PQsetErrorVerbosity(handle, PQERRORS_VERBOSE)
        return handle
    }
}

/// Lends a list of C strings, ended by NULL.
func withCStrings<R>(_ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R) -> R {
    var bytes: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8CString)
    }
    return bytes.withUnsafeBufferPointer { buffer in
        let pointers = offsets.map { offset in buffer.baseAddress.map { $0 + offset } } + [nil]
        return body(pointers)
    }
}
