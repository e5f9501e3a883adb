import Core
import Outbound

/// The path that a script gave to `platform.api`, as a request of one of the tenant's services (contract.md §10).
struct InternalPath {
    let request: ServiceRequest

    /// - Parameter path: relative, or what ``inside(_:_:)`` says of an absolute one.
    /// - Throws: ``ServiceError`` for an unknown verb, and for a path without a service.
    init(_ call: APICall, path: Substring) throws(ServiceError) {
        guard let verb = Verb(rawValue: call.verb), Verb.callable.contains(verb) else {
            throw .badRequest(
                "'\(call.verb)' is not a verb that platform.api knows. Use GET, POST, PUT, PATCH or DELETE.")
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
        try CallBounds.check(headers)
        guard query.utf8.count <= CallBounds.queryBytes else {
            throw .badRequest("The query of a call has \(CallBounds.queryBytes) bytes at most.")
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

    /// Whether a path is an absolute URL, of whatever scheme.
    static func isAbsolute(_ path: String) -> Bool {
        guard let end = path.firstRange(of: "://")?.lowerBound, let first = path.first, first.isLetter else {
            return false
        }
        return path[..<end].utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
    }

    /// The path and query of a URL of this installation: below `PUBLIC_URL`, or `/api/v2/` at `http://localhost`, whatever
    /// its port. Such a URL is never dialled. Nil for any other.
    static func inside(_ url: WebURL, _ publicURL: String?) -> Substring? {
        let target = url.path + (url.query.map { "?\($0)" } ?? "")
        if let own = publicURL.flatMap({ WebURL($0) }), url.hasSameOrigin(as: own) {
            let base = own.path.hasSuffix("/") ? String(own.path.dropLast()) : own.path
            if url.path == base || url.path.hasPrefix(base + "/") { return target.dropFirst(base.count) }
        }
        guard url.scheme == "http", url.hostName == "localhost" else { return nil }
        return url.path == "/api/v2" || url.path.hasPrefix("/api/v2/") ? target[...] : nil
    }
}
