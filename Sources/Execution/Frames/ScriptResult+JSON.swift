import Core

extension ScriptResult {
    /// Reads a RESULT.
    /// - Throws: ``JSONError`` where the payload is not an object of strict JSON.
    init(payload: [UInt8]) throws(JSONError) {
        let result = try JSONText(checking: payload)
        guard result.kind == .object else { throw JSONError(.unexpectedCharacter, line: 1, column: 1) }
        let fields = Dictionary(result.members, uniquingKeysWith: { $1 })
        self.init(
            returned: fields["returned"], response: fields["response"], event: fields["event"],
            exception: fields["exception"], error: fields["error"].map(ScriptError.init(json:)),
            rawBody: fields["raw_body"]?.string, headers: fields["headers"]?.texts ?? [])
        rawStatus = fields["raw_status"]?.integer
        stopsPropagation = fields["stop_propagation"]?.bool ?? false
    }
}

extension ScriptError {
    fileprivate init(json: JSONText) {
        let fields = Dictionary(json.members, uniquingKeysWith: { $1 })
        self.init(
            kind: fields["kind"]?.string.flatMap(Kind.init(rawValue:)) ?? .thrown,
            message: fields["message"]?.string ?? "The script failed without a message", code: fields["code"]?.integer,
            statusCode: fields["status_code"]?.integer, line: fields["line"]?.integer,
            column: fields["column"]?.integer, trace: fields["trace"]?.elements.compactMap(\.string) ?? [],
            context: fields["context"])
    }
}
