import Core

/// From a script's content to the bytes of a response, by what the caller accepts (dreamfactory.md §2.8). JSON goes out as
/// the script wrote it.
struct Rendering {
    private let accepted: AcceptedTypes
    private let download: Download?
    /// A script that calls another takes what that one declares: nothing is converted that nobody asked for.
    private let takesAsDeclared: Bool
    private let limit: Int

    /// - Parameters:
    ///   - isInternal: whether a script calls.
    ///   - limit: how many bytes a response may have; one that is longer is not whole.
    init(_ request: ServiceRequest, isInternal: Bool = false, limit: Int) {
        accepted = AcceptedTypes(request)
        download = Download(request)
        takesAsDeclared = isInternal && request.header("accept") == nil && download == nil
        self.limit = limit
    }

    /// - Parameters:
    ///   - status: a number, or its text; what is no HTTP status becomes 500 and keeps the body.
    ///   - contentType: set by the script.
    /// - Throws: ``ServiceError`` 400 where the caller accepts nothing that the content can be sent as.
    func response(
        content: JSONText, status: JSONText?, contentType: String?, headers: JSONText?,
        extra: [(name: String, value: String)]
    ) throws(ServiceError) -> ServiceResponse {
        let status = ResponseHeaders.status(status)
        let declared = contentType.flatMap { !$0.isEmpty && ResponseHeaders.isHeaderText($0) ? $0 : nil }
        guard let (type, body) = body(of: content, declared) ?? (status < 400 ? nil : asItIs(content, declared)) else {
            let original = (content.string ?? content.text).prefix(200)
            throw .badRequest(
                "Content in response can not be resolved to acceptable content type. Original content: \(original)")
        }
        var response = ServiceResponse(status: status, body: status == 204 || status == 304 ? [] : body)
        response.headers = [(name: "Content-Type", value: type)]
        let own = (headers?.members ?? []).map { (name: $0.key, value: $0.value.string ?? $0.value.text) }
        response.headers += (own + extra).filter { ResponseHeaders.maySet($0.name, $0.value) }
        if let download {
            response.headers.removeAll { $0.name.lowercased() == "content-disposition" }
            response.headers.append((name: "Content-Disposition", value: download.disposition))
        }
        return response
    }

    /// A text that goes out as it is, as HTML unless the script's own headers say otherwise.
    static func raw(
        _ text: String, status: JSONText? = nil, headers: [(name: String, value: String)]
    ) -> ServiceResponse {
        let type = headers.last {
            $0.name.lowercased() == "content-type" && ResponseHeaders.isHeaderText($0.value)
        }?.value
        return ServiceResponse(
            status: ResponseHeaders.status(status),
            headers: [(name: "Content-Type", value: type ?? "text/html; charset=UTF-8")]
                + headers.filter { ResponseHeaders.maySet($0.name, $0.value) },
            body: Array(text.utf8))
    }

    private typealias Rendered = (type: String, body: [UInt8])
    private static let json = "application/json"

    /// Nil where nothing that the caller accepts can be made of the content.
    private func body(of content: JSONText, _ declared: String?) -> Rendered? {
        switch content.kind {
        case .null:
            let taken = declared.flatMap { takes($0) ? $0 : nil }
            return (taken ?? accepted.last?.type ?? declared ?? Self.json, [])
        case .object, .array: return structured(content, declared)
        case .string, .bool, .number: return text(content, declared)
        }
    }

    /// What is sent with an error whose content can not be converted.
    private func asItIs(_ content: JSONText, _ declared: String?) -> Rendered {
        content.kind == .object || content.kind == .array
            ? (Self.json, Array(content.text.utf8)) : (declared ?? Self.json, Array(Self.plain(content).utf8))
    }

    private func takes(_ declared: String) -> Bool { takesAsDeclared || accepted.take(declared) }

    /// An object or a list is JSON unless the caller asks for another form of it.
    private func structured(_ content: JSONText, _ declared: String?) -> Rendered? {
        let json = (type: Self.json, body: Array(content.text.utf8))
        let isOpaque = declared.flatMap { ContentFormat(mediaType: $0) } == .opaque
        guard !accepted.acceptsAny, !isOpaque, !takesAsDeclared else { return json }
        for entry in accepted.entries.reversed() {
            switch entry.format {
            case .json: return json
            case .xml: return (entry.type, XMLWriter.bytes(content, limit: limit))
            case .csv: return (entry.type, CSVWriter.bytes(content, limit: limit))
            case .text: return (entry.type, Self.escapingSlashes(content))
            case .opaque, nil: continue
            }
        }
        return declared == nil ? nil : json
    }

    private func text(_ content: JSONText, _ declared: String?) -> Rendered? {
        let plain = Self.plain(content)
        let raw = Array(plain.utf8)
        if let declared, takes(declared) { return (declared, raw) }
        if accepted.acceptsAny { return (accepted.last?.type ?? Self.json, raw) }
        let source = declared.flatMap { ContentFormat(mediaType: $0) } ?? .text
        for entry in accepted.entries.reversed() {
            guard let target = entry.format else { continue }
            if source == .text {
                switch target {
                case .json: return (Self.json, Array(content.text.utf8))
                case .xml: return (entry.type, XMLWriter.bytes(text: plain, limit: limit))
                case .csv, .text: return (entry.type, raw)
                case .opaque: continue
                }
            }
            if target == source, target != .opaque { return (entry.type, raw) }
            if let body = converted(plain, from: source, to: target) { return (entry.type, body) }
        }
        // A type that the script chose is better than a refusal, except that JSON is nobody's plain text.
        guard let declared, source != .json else { return nil }
        return (declared, raw)
    }

    /// A text that declares its form, in another one; nil where it is not of that form, or where there is no way.
    private func converted(_ text: String, from source: ContentFormat, to target: ContentFormat) -> [UInt8]? {
        let read: JSONText? =
            switch source {
            case .json: try? JSONText(checking: text)
            case .xml: XMLReader.json(text)
            case .csv: CSVReader.json(text)
            case .text, .opaque: nil
            }
        guard let json = read else { return nil }
        switch target {
        case .json: return Array(json.text.utf8)
        case .xml where json.kind == .object || json.kind == .array: return XMLWriter.bytes(json, limit: limit)
        case .xml: return XMLWriter.bytes(text: Self.plain(json), limit: limit)
        case .csv: return CSVWriter.bytes(json, limit: limit)
        case .text, .opaque: return nil
        }
    }

    /// As PHP prints it: true is 1 and false is nothing.
    private static func plain(_ content: JSONText) -> String {
        switch content.kind {
        case .string: content.string ?? ""
        case .bool: content.text == "true" ? "1" : ""
        case .null: ""
        default: content.text
        }
    }

    /// JSON for a reader of plain text, as PHP writes it: `/` as `\/`.
    private static func escapingSlashes(_ json: JSONText) -> [UInt8] {
        var out: [UInt8] = []
        var isEscaped = false
        for byte in json.text.utf8 {
            if byte == UInt8(ascii: "/"), !isEscaped { out.append(UInt8(ascii: "\\")) }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            out.append(byte)
        }
        return out
    }
}
