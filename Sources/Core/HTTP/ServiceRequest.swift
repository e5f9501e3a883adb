/// An invocation as services see it, whoever made it: `/api/v2/{service}[/{resource}][?query]`.
public struct ServiceRequest: Sendable {
    public var verb: Verb
    /// The service's name, in lower case.
    public var service: String
    /// The path after the service's name, decoded, without slashes at its ends; empty for the service itself.
    public var resource: String
    /// The query as written, without `?`.
    public var query: String
    /// In the order of arrival, names in lower case.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(
        verb: Verb, service: String, resource: String = "", query: String = "",
        headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        self.verb = verb
        self.service = service
        self.resource = resource
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// Whether it is about signing in and out, for which nobody needs rights.
    public var isSession: Bool {
        (service, resource) == ("user", "session") || (service, resource) == ("system", "admin/session")
    }

    /// A path's segments, decoded. Steps upwards have no meaning here, however they are written, and a script that joins
    /// paths must not take one.
    public static func segments(of path: some StringProtocol) -> [String] {
        path.split(separator: "/").flatMap { part in
            Query.decode(part).split(separator: "/").filter { $0 != ".." && $0 != "." }.map(String.init)
        }
    }

    /// The value of a header, its repetitions joined by commas (RFC 9110 §5.3); nil where there is none.
    public func header(_ name: String) -> String? {
        let values = headers.filter { $0.name == name }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ",")
    }
}
