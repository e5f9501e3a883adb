/// Hides credentials where a request is shown or logged.
public enum CredentialMask {
    /// Query names whose values are credentials.
    private static let names: Set<String> = ["api_key", "session_token", "script_token"]

    /// Headers whose values are credentials, or may be.
    private static let headerNames: Set<String> = [
        "authorization", "cookie", "proxy-authorization", "x-api-key", "x-dreamfactory-api-key",
        "x-dreamfactory-session-token", "x-dreamfactory-script-token",
    ]

    /// A header's value, `***` for a credential.
    /// - Parameter name: in lower case.
    public static func header(_ name: String, _ value: String) -> String {
        headerNames.contains(name) ? "***" : value
    }

    /// A query without its credentials: what it asks for, whoever asks.
    public static func removed(from query: String) -> String {
        query.split(separator: "&").filter { pair in
            !names.contains(Query.decode(pair.prefix { $0 != "=" }, plusIsSpace: true))
        }.joined(separator: "&")
    }

    /// A body with `***` in the place of credentials, where it is a JSON object or a form that has them at its top.
    public static func body(_ body: String, isForm: Bool) -> String {
        guard names.contains(where: body.contains) else { return body }
        if isForm { return query(body) }
        guard let json = try? JSONText(checking: body), json.members.contains(where: { names.contains($0.key) }) else {
            return body
        }
        return JSONText.object(json.members.map { ($0.key, names.contains($0.key) ? .string("***") : $0.value) }).text
    }

    /// A query with `***` in the place of credentials.
    public static func query(_ query: String) -> String {
        guard names.contains(where: query.contains) || query.contains("%") else { return query }
        return query.split(separator: "&", omittingEmptySubsequences: false).map { pair in
            let name = pair.prefix { $0 != "=" }
            return names.contains(Query.decode(name, plusIsSpace: true)) ? "\(name)=***" : String(pair)
        }.joined(separator: "&")
    }
}
