import Core

/// Errors in the shape that the caller prefers: DreamFactory's as JSON or XML, or problem details (RFC 9457).
public enum ErrorRendering {
    /// Small JSON can be huge as XML: an error that is goes out as JSON.
    private static let mostXML = 1 << 20

    /// - Parameter accept: the request's header.
    public static func response(_ error: ServiceError, accept: String?) -> ServiceResponse {
        if prefersProblem(accept) { return problem(error) }
        var response = ServiceResponse.error(error)
        guard let type = xmlType(AcceptedTypes(header: accept)) else { return response }
        let body = XMLWriter.bytes(error.json, limit: mostXML)
        guard body.count <= mostXML else { return response }
        response.headers = [(name: "Content-Type", value: type)] + error.headers
        response.body = body
        return response
    }

    private static func problem(_ error: ServiceError) -> ServiceResponse {
        var members: [(String, JSONText)] = [
            ("type", .string("about:blank")),
            ("title", .string(HTTPReason.phrase(of: error.status))),
            ("status", .integer(error.status)),
            ("detail", .string(error.message)),
            ("code", .integer(error.code)),
        ]
        // A fact must not stand in the place of a member that the standard gives a meaning.
        let taken: Set<String> = ["type", "title", "status", "detail", "instance", "code"]
        members += error.context.map { (taken.contains($0.0) ? "context_\($0.0)" : $0.0, $0.1) }
        var response = ServiceResponse.json(.object(members), status: error.status)
        response.headers = [(name: "Content-Type", value: "application/problem+json")] + error.headers
        return response
    }

    /// The type that XML goes out as, where the caller takes XML rather than JSON: the last of the two counts, as for every
    /// other response.
    private static func xmlType(_ accepted: AcceptedTypes) -> String? {
        guard !accepted.acceptsAny else { return nil }
        guard let last = accepted.entries.last(where: { $0.format == .json || $0.format == .xml }), last.format == .xml
        else { return nil }
        return last.type == "text/xml" ? last.type : "application/xml"
    }

    /// Whether problem details weigh more than JSON (RFC 9110 §12.5.1), or as much and come first.
    private static func prefersProblem(_ accept: String?) -> Bool {
        var problem = 0.0
        var other = 0.0
        for entry in (accept ?? "").split(separator: ",").prefix(64) {
            let weight = weight(entry)
            switch ContentFormat.essence(entry) {
            case "application/problem+json":
                if weight > other { problem = max(problem, weight) }
            case "application/json":
                if weight > problem { other = max(other, weight) }
            default: break
            }
        }
        return problem > other
    }

    private static func weight(_ entry: Substring) -> Double {
        for parameter in entry.split(separator: ";").dropFirst() {
            let words = parameter.split(separator: "=").map { $0.trimming { $0 == " " } }
            guard words.count == 2, words[0].lowercased() == "q" else { continue }
            return Double(words[1]).map { min(max($0, 0), 1) } ?? 1
        }
        return 1
    }
}
