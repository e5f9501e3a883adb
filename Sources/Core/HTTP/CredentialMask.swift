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

    /// What signs somebody in, and so is kept from those who look at a request.
    private static let secrets = names.union([
        "password", "new_password", "old_password", "password_confirmation", "verify_password", "security_answer",
    ])

    /// A body with `***` in the place of credentials and passwords, where it is a form, or a JSON object that has them at its
    /// top or in its records.
    public static func body(_ body: String, isForm: Bool) -> String {
        guard secrets.contains(where: body.contains) || body.contains("%") || body.contains("\\") else { return body }
        if isForm { return query(body, secrets) }
        guard let json = try? JSONText(checking: body) else { return body }
        return masked(json, depth: 3).text
    }

    private static func masked(_ json: JSONText, depth: Int) -> JSONText {
        guard depth > 0 else { return json }
        switch json.kind {
        case .array: return .array(json.elements.map { masked($0, depth: depth - 1) })
        case .object:
            return .object(
                json.members.map { member in
                    if secrets.contains(member.key) { return (member.key, .string("***")) }
                    let holdsRecords = member.key == "resource"
                    return (member.key, holdsRecords ? masked(member.value, depth: depth - 1) : member.value)
                })
        case .null, .bool, .number, .string: return json
        }
    }

    /// A query with `***` in the place of credentials.
    public static func query(_ query: String) -> String { self.query(query, names) }

    private static func query(_ query: String, _ names: Set<String>) -> String {
        guard names.contains(where: query.contains) || query.contains("%") else { return query }
        return query.split(separator: "&", omittingEmptySubsequences: false).map { pair in
            let name = pair.prefix { $0 != "=" }
            return names.contains(Query.decode(name, plusIsSpace: true)) ? "\(name)=***" : String(pair)
        }.joined(separator: "&")
    }
}
