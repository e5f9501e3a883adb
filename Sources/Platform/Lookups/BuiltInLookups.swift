import Core

/// The names that the platform itself answers for in `{…}` (dreamfactory.md §9.5).
struct BuiltInLookups {
    let session: Session
    let settings: PlatformSettings

    /// Nil for a name that means nothing here, or has no value for this caller.
    subscript(name: String) -> String? {
        let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        switch (parts[0], parts[1]) {
        case ("session", "id"), ("session", "token"): return session.token
        case ("user", let field): return session.user.flatMap { Self.field(field, of: $0.json) }
        case ("role", "id"): return session.role.map { String($0.id) }
        case ("role", "name"): return session.role?.name
        case ("app", "id"): return session.appID.map { String($0) }
        case ("app", "api_key"): return session.apiKey
        case ("df", "host_url"): return settings.publicURL
        case ("df", "name"): return "Scriptorium"
        case ("df", "version"): return PlatformSettings.version
        case ("df", "api_version"): return "2.0"
        default: return nil
        }
    }

    private static func field(_ name: Substring, of user: JSONText) -> String? {
        guard let value = user[String(name)], !value.isNull else { return nil }
        return value.string ?? value.text
    }
}
