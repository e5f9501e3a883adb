/// `?file=name.csv|xml|json`, or `?file=true`: the response as a file to keep (dreamfactory.md §2.8).
public struct Download: Sendable {
    /// The file's name, without a path and without control characters.
    public let name: String

    private static let longestName = 200

    /// Nil where the request asks for no file.
    public init?(_ request: ServiceRequest) {
        guard let asked = Query.value("file", in: request.query) else { return nil }
        var name = asked
        if ["true", "1", "on", "yes"].contains(asked.lowercased()) {
            name = (request.resource.split(separator: "/").last.map(String.init) ?? request.service) + ".json"
        }
        // Where the caller's browser puts the file is for the caller to say.
        name = String(name.split { $0 == "/" || $0 == "\\" }.last ?? "")
        name.unicodeScalars.removeAll { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || Self.turns($0) }
        name = String(name.suffix(Self.longestName))
        guard name.contains("."), name.contains(where: { $0 != "." && $0 != " " }) else { return nil }
        self.name = name
    }

    /// The type that the name's ending asks for; nil leaves it to `Accept`.
    public var mediaType: String? {
        switch name.lowercased().split(separator: ".").last {
        case "csv": "text/csv"
        case "xml": "application/xml"
        case "json": "application/json"
        default: nil
        }
    }

    /// `Content-Disposition` (RFC 6266), with the name in UTF-8 beside its plain form where it needs that.
    public var disposition: String {
        let plain = String(
            String.UnicodeScalarView(
                name.unicodeScalars.map { $0.isASCII && $0 != "\"" && $0 != "\\" && $0 != "%" ? $0 : "_" }))
        let value = "attachment; filename=\"\(plain)\""
        return plain == name ? value : "\(value); filename*=UTF-8''\(Query.encode(name))"
    }

    /// Marks that turn the reading direction, and so hide a name's real ending.
    private static func turns(_ scalar: Unicode.Scalar) -> Bool {
        (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
            || (0x200E...0x200F).contains(scalar.value)
    }
}
