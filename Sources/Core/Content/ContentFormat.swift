/// The forms of content that can be told from a media type, and those of them that content is converted between.
public enum ContentFormat: Sendable, Hashable {
    case json, xml, csv, text
    /// One that DreamFactory knows by name and converts neither from nor to, such as HTML.
    case opaque

    /// - Parameter mediaType: in any case, with or without parameters. `application/vnd.shop+json` counts as `application/json`.
    /// - Returns: nil for a type that has no meaning here.
    public init?(mediaType: some StringProtocol) {
        var type = Self.essence(mediaType)
        if let plus = type.firstIndex(of: "+"), let slash = type.firstIndex(of: "/"), slash < plus {
            type = String(type[...slash] + type[type.index(after: plus)...])
        }
        switch type {
        case "application/json", "text/json": self = .json
        case "application/xml", "text/xml": self = .xml
        case "text/csv", "application/csv": self = .csv
        case "text/plain": self = .text
        case "text/html", "text/css", "text/javascript", "application/javascript", "text/yaml", "application/rtf",
            "text/tab-separated-values", "text/pipe-separated-values", "application/x-www-form-urlencoded":
            self = .opaque
        default: return nil
        }
    }

    /// A media type without its parameters, in lower case.
    public static func essence(_ mediaType: some StringProtocol) -> String {
        String(mediaType.prefix { $0 != ";" }.trimming { $0 == " " || $0 == "\t" }).lowercased()
    }
}
