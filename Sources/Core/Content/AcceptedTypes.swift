/// The media types that a caller takes, in the order of the request: `?file=`, else `?accept=`, else the header
/// (dreamfactory.md §2.8). Their order counts, their weights do not, but a weight of zero is a refusal (RFC 9110 §12.4.2).
public struct AcceptedTypes: Sendable {
    /// A type that content may be sent as.
    public struct Entry: Sendable {
        /// As it is sent, without parameters.
        public let type: String
        /// Nil for a type that has no meaning here.
        public let format: ContentFormat?
    }

    public let entries: [Entry]
    /// Whether `*/*` is among them.
    public let acceptsAny: Bool
    /// `text/` and the like, for types that are taken whatever they are called.
    private let ranges: [String]

    /// What is sent to those who take any of a kind.
    private static let ranges = [
        "application/*": Entry(type: "application/json", format: .json),
        "text/*": Entry(type: "text/plain", format: .text),
    ]

    /// More are not read: nobody has that many, and each costs.
    private static let most = 64

    public init(_ request: ServiceRequest) {
        if let type = Download(request)?.mediaType {
            self.init(header: type)
        } else {
            self.init(header: Self.header(of: request))
        }
    }

    /// `?accept=`, else the header; nil where there is neither.
    public static func header(of request: ServiceRequest) -> String? {
        let asked = Query.value("accept", in: request.query)
        return asked.flatMap { $0.isEmpty ? nil : $0 } ?? request.header("accept")
    }

    /// - Parameter header: the value of `Accept`; where it is missing or empty JSON is wanted.
    public init(header: String?) {
        var entries: [Entry] = []
        var acceptsAny = false
        var ranges: [String] = []
        for part in (header ?? "").split(separator: ",", maxSplits: Self.most).prefix(Self.most)
        where !Self.isRefused(part) {
            let type = ContentFormat.essence(part)
            if type == "*/*" || type == "*" {
                acceptsAny = true
            } else if let typical = Self.ranges[type] {
                entries.append(typical)
                ranges.append(String(type.dropLast()))
            } else if Self.isMediaType(type) {
                entries.append(Entry(type: type, format: ContentFormat(mediaType: type)))
            }
        }
        if header?.contains(where: { $0 != " " }) != true {
            entries.append(Entry(type: "application/json", format: .json))
        }
        self.entries = entries
        self.acceptsAny = acceptsAny
        self.ranges = ranges
    }

    /// The last type that has a meaning here.
    public var last: Entry? { entries.last { $0.format != nil } }

    /// Whether a type may be sent as it is.
    public func take(_ mediaType: String) -> Bool {
        let type = ContentFormat.essence(mediaType)
        return acceptsAny || entries.contains { $0.type == type } || ranges.contains { type.hasPrefix($0) }
    }

    private static func isRefused(_ part: Substring) -> Bool {
        part.split(separator: ";").dropFirst().contains { parameter in
            let words = parameter.split(separator: "=").map { $0.trimming { $0 == " " } }
            return words.count == 2 && words[0].lowercased() == "q" && Double(words[1]) == 0
        }
    }

    /// A type is echoed as `Content-Type`: only what can be one.
    private static func isMediaType(_ type: String) -> Bool {
        let parts = type.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { byte in
                        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "!#$&^_.+-".utf8.contains(byte)
                    }
            }
    }
}
