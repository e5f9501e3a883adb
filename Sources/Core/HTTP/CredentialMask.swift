/// Hides credentials where a request is shown or logged.
public enum CredentialMask {
    /// Query names whose values are credentials.
    private static let names: Set<String> = ["api_key", "session_token", "script_token"]

    /// A query with `***` in the place of credentials.
    public static func query(_ query: String) -> String {
        guard names.contains(where: query.contains) || query.contains("%") else { return query }
        return query.split(separator: "&", omittingEmptySubsequences: false).map { pair in
            let name = pair.prefix { $0 != "=" }
            return names.contains(Query.decode(name, plusIsSpace: true)) ? "\(name)=***" : String(pair)
        }.joined(separator: "&")
    }
}
