/// A path with places for parameters, as OpenAPI documents have them: `/item/{id}`.
public struct PathTemplate: Sendable, Hashable {
    /// Without slashes at its ends: `item/{id}`; empty for the service itself.
    public let text: String
    private let segments: [String]

    public init(_ path: String) {
        segments = path.split(separator: "/").map(String.init)
        text = segments.joined(separator: "/")
    }

    /// How many of its segments are parameters: of two templates that match, the one with fewer says more.
    public var parameterCount: Int { segments.count(where: Self.isParameter) }

    /// The parameters' names, without braces.
    public var parameters: [String] {
        segments.filter(Self.isParameter).map { String($0.dropFirst().dropLast()) }
    }

    /// The parameters of a resource, by their names with the braces; nil where it does not match.
    public func match(_ resource: String) -> [(name: String, value: String)]? {
        let given = resource.split(separator: "/").map(String.init)
        guard given.count == segments.count else { return nil }
        var parameters: [(name: String, value: String)] = []
        for (segment, value) in zip(segments, given) {
            if Self.isParameter(segment) {
                parameters.append((segment, value))
            } else if segment != value {
                return nil
            }
        }
        return parameters
    }

    private static func isParameter(_ segment: String) -> Bool { segment.hasPrefix("{") && segment.hasSuffix("}") }
}
