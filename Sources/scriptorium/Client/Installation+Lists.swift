import Core

extension Installation {
    /// All elements of a list, over as many pages as it has.
    /// - Parameters:
    ///   - query: what is nil is left out.
    ///   - limit: how many at most; nil: all.
    func list(
        _ path: String, _ query: [(String, String?)], limit: Int? = nil, as caller: Caller
    ) async throws -> [JSONText] {
        var elements: [JSONText] = []
        var cursor: String?
        repeat {
            var parts = query
            if let limit { parts.append(("limit", String(min(limit - elements.count, 100)))) }
            parts.append(("cursor", cursor))
            let text = parts.compactMap { key, value in value.map { "\(key)=\(PathText.encoded($0))" } }
            let page = try await json(
                "GET", text.isEmpty ? path : "\(path)?\(text.joined(separator: "&"))", as: caller)
            let resource = page["resource"]?.elements ?? []
            elements += resource
            // A page without anything is the last, whatever it says.
            cursor = resource.isEmpty ? nil : page["meta"]?["next"]?.string
        } while cursor != nil && elements.count < limit ?? .max
        return elements
    }
}
