import Core

/// From a script's content to the bytes of a response, by what the caller accepts (dreamfactory.md §2.8). JSON goes out as
/// the script wrote it.
struct Rendering {
    private let acceptsAnything: Bool

    /// - Parameter accept: the header's value; without one JSON is wanted.
    init(accept: String?) {
        let types = (accept ?? "").split(separator: ",").map { $0.prefix { $0 != ";" }.trimming { $0 == " " } }
        acceptsAnything = types.contains("*/*")
    }

    /// - Parameters:
    ///   - status: a number, or its text; what is no HTTP status becomes 500 and keeps the body.
    ///   - contentType: set by the script for a text; objects and arrays always go out as JSON.
    func response(
        content: JSONText, status: JSONText?, contentType: String?, headers: JSONText?,
        extra: [(name: String, value: String)]
    ) -> ServiceResponse {
        let status = Self.status(status)
        let (type, body) = body(of: content, contentType)
        var response = ServiceResponse(status: status, body: status == 204 || status == 304 ? [] : body)
        response.headers = [(name: "Content-Type", value: type)]
        let own = (headers?.members ?? []).map { (name: $0.key, value: $0.value.string ?? $0.value.text) }
        response.headers += (own + extra).filter { Self.maySet($0.name, $0.value) }
        return response
    }

    /// A text that goes out as it is, as HTML unless the script's own headers say otherwise.
    static func raw(_ text: String, headers: [(name: String, value: String)]) -> ServiceResponse {
        let type = headers.last { $0.name.lowercased() == "content-type" && isHeaderText($0.value) }?.value
        return ServiceResponse(
            headers: [(name: "Content-Type", value: type ?? "text/html; charset=UTF-8")]
                + headers.filter { maySet($0.name, $0.value) },
            body: Array(text.utf8))
    }

    private func body(of content: JSONText, _ contentType: String?) -> (type: String, body: [UInt8]) {
        let json = "application/json"
        switch content.kind {
        case .object, .array: return (json, Array(content.text.utf8))
        case .null: return (contentType ?? json, [])
        case .string:
            let text = content.string ?? ""
            if let contentType, Self.isHeaderText(contentType) { return (contentType, Array(text.utf8)) }
            return (json, Array((acceptsAnything ? text : content.text).utf8))
        case .bool, .number:
            // PHP prints true as 1 and false as nothing where no conversion is asked for.
            guard acceptsAnything, content.kind == .bool else { return (json, Array(content.text.utf8)) }
            return (json, content.text == "true" ? [UInt8(ascii: "1")] : [])
        }
    }

    private static func status(_ value: JSONText?) -> Int {
        guard let value else { return 200 }
        guard let number = value.integer ?? value.string.flatMap({ Int($0) }), known.contains(number) else {
            return 500
        }
        return number
    }

    /// The statuses that the reference knows; others become 500 there too.
    private static let known: Set<Int> = Set([
        200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308,
    ]).union(400...418).union([421, 422, 423, 424, 425, 426, 428, 429, 431, 451]).union(500...508).union([510, 511])

    /// Headers of the connection are not the script's, and what is no header text would break the message.
    private static func maySet(_ name: String, _ value: String) -> Bool {
        let reserved: Set<String> = [
            "content-type", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer",
            "te", "date", "server", "x-request-id", "x-scriptorium-job",
        ]
        return !reserved.contains(name.lowercased()) && isToken(name) && isHeaderText(value)
    }

    /// A token of RFC 9110 §5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func isHeaderText(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
}
