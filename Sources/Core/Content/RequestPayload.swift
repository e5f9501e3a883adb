/// A request's body, decoded as scripts see it in `event.request.payload` (dreamfactory.md §3.1).
public enum RequestPayload {
    /// Decoded by the content type, or by its looks where that says nothing. An empty body is an empty object, and what can
    /// not be decoded is null.
    public static func json(of request: ServiceRequest) -> JSONText {
        guard !request.body.isEmpty else { return .emptyObject }
        let header = request.header("content-type") ?? ""
        let type = ContentFormat.essence(header)
        if type == "multipart/form-data" { return MultipartReader.json(request.body, type: header) ?? .null }
        guard let text = String(validating: request.body, as: UTF8.self) else { return .null }
        // Vendors' types are told by their ends, and by what else DreamFactory looks for.
        if type.hasSuffix("/json") || type.hasSuffix("+json") { return json(text) ?? .null }
        if type.contains("x-www-form-urlencoded") { return Query.parameters(text) }
        if type.contains("xml") { return XMLReader.json(text) ?? .null }
        if type.contains("csv") { return wrapped(CSVReader.json(text)) ?? .null }
        if type.contains("text/plain") { return .string(text) }
        return json(text) ?? XMLReader.json(text) ?? wrapped(CSVReader.json(text)) ?? .null
    }

    private static func json(_ text: String) -> JSONText? { try? JSONText(checking: text) }

    private static func wrapped(_ records: JSONText?) -> JSONText? {
        records.map { .object([("resource", $0)]) }
    }
}
