import Core

/// Errors in the shape that the caller prefers: DreamFactory's, or problem details (RFC 9457).
public enum ErrorRendering {
    /// - Parameter accept: the request's header.
    public static func response(_ error: ServiceError, accept: String?) -> ServiceResponse {
        guard prefersProblem(accept) else { return .error(error) }
        var members: [(String, JSONText)] = [
            ("type", .string("about:blank")),
            ("status", .integer(error.status)),
            ("detail", .string(error.message)),
            ("code", .integer(error.code)),
        ]
        members += error.context
        var response = ServiceResponse.json(.object(members), status: error.status)
        response.headers = [(name: "Content-Type", value: "application/problem+json")] + error.headers
        return response
    }

    /// Whether the first media type that says anything about errors is problem details.
    private static func prefersProblem(_ accept: String?) -> Bool {
        for entry in (accept ?? "").split(separator: ",") {
            let type = entry.prefix { $0 != ";" }.trimming { $0 == " " }.lowercased()
            if type == "application/problem+json" { return true }
            if type == "application/json" || type == "*/*" { return false }
        }
        return false
    }
}
