import Core

/// The platform's own answers in the form that the caller accepts, as those of scripts are: XML, CSV, or a file to keep.
public enum BuiltInRendering {
    /// - Parameter limit: what would be larger in its new form stays JSON.
    public static func response(
        _ response: ServiceResponse, to request: ServiceRequest, limit: Int
    ) -> ServiceResponse {
        // A job's response was rendered for the call that made the job.
        guard response.stream == nil, request.service != "jobs" || !request.resource.hasSuffix("/response"),
            let place = response.headers.firstIndex(where: { $0.name == "Content-Type" }),
            response.headers[place].value == "application/json"
        else { return response }
        var response = response
        if let (type, body) = converted(response.body, AcceptedTypes(request), limit: limit) {
            response.headers[place].value = type
            response.body = body
        }
        if let download = Download(request) {
            response.headers.append((name: "Content-Disposition", value: download.disposition))
        }
        return response
    }

    private static func converted(
        _ body: [UInt8], _ accepted: AcceptedTypes, limit: Int
    ) -> (type: String, body: [UInt8])? {
        guard !accepted.acceptsAny,
            let wanted = accepted.entries.last(where: { [.json, .xml, .csv].contains($0.format) }),
            wanted.format != .json, let json = try? JSONText(checking: body)
        else { return nil }
        let bytes =
            wanted.format == .xml ? XMLWriter.bytes(json, limit: limit) : CSVWriter.bytes(json, limit: limit)
        return bytes.count <= limit ? (wanted.type, bytes) : nil
    }
}
