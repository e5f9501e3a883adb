import Core

/// The path that a script gave to `platform.api`, as a request of one of the tenant's services (contract.md §10).
struct InternalPath {
    let request: ServiceRequest

    /// - Throws: ``ServiceError`` for an unknown verb, and for a URL that leaves the installation.
    init(_ call: APICall, publicURL: String?) throws(ServiceError) {
        guard let verb = Verb(rawValue: call.verb), Verb.callable.contains(verb) else {
            throw .badRequest(
                "'\(call.verb)' is not a verb that platform.api knows. Use GET, POST, PUT, PATCH or DELETE.")
        }
        var path = Substring(call.path)
        let start = call.path.prefix(8).lowercased()
        if start.hasPrefix("http://") || start.hasPrefix("https://") {
            guard let inner = Self.inside(call.path, publicURL) else {
                throw ServiceError(
                    501,
                    "platform.api can not leave the installation in this version. Call a service of your own by its"
                        + " name, such as platform.api.get('service/resource').")
            }
            path = inner
        }
        let parts = path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var segments = ServiceRequest.segments(of: parts.first ?? "")
        if segments.prefix(2) == ["api", "v2"] { segments.removeFirst(2) }
        guard let service = segments.first else {
            throw .notFound("Could not find a service for ''. Name a service: platform.api.get('service/resource').")
        }
        var query = parts.count > 1 ? String(parts[1]) : ""
        for parameter in call.parameters {
            query += (query.isEmpty ? "" : "&") + Query.encode(parameter.name) + "=" + Query.encode(parameter.value)
        }
        var headers = call.headers.map { (name: $0.name.lowercased(), value: $0.value) }
        // The script's session counts, whatever it writes into a call.
        headers.removeAll { Self.credentials.contains($0.name) }
        if let type = call.contentType, !headers.contains(where: { $0.name == "content-type" }) {
            headers.append((name: "content-type", value: type))
        }
        request = ServiceRequest(
            verb: verb, service: service.lowercased(), resource: segments.dropFirst().joined(separator: "/"),
            query: query,
            headers: headers, body: call.body)
    }

    private static let credentials: Set<String> = [
        "authorization", "x-dreamfactory-api-key", "x-api-key", "x-dreamfactory-session-token",
        "x-dreamfactory-script-token", "x-scriptorium-tenant",
    ]

    /// The part of an absolute URL behind `/api/v2`, where it is one of this installation: below `PUBLIC_URL`, or at
    /// `localhost` whatever its port. Such a URL is never dialled.
    private static func inside(_ url: String, _ publicURL: String?) -> Substring? {
        if let publicURL, url.hasPrefix(publicURL + "/") { return url.dropFirst(publicURL.count) }
        guard let host = url.firstRange(of: "://").map({ url[$0.upperBound...] }) else { return nil }
        let name = host.prefix { $0 != "/" && $0 != ":" }
        guard url.hasPrefix("http://"), name == "localhost", let slash = host.firstIndex(of: "/") else { return nil }
        let path = host[slash...]
        return path.hasPrefix("/api/v2/") ? path : nil
    }
}
