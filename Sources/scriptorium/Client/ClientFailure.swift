import Core

/// Why a client's verb did not do what it should.
struct ClientFailure: Error {
    /// What is wrong and what to do, in sentences.
    let message: String
    let status: ExitStatus
    /// The server's own words, where it was the server.
    var body: JSONText?

    init(_ status: ExitStatus, _ message: String, body: JSONText? = nil) {
        self.status = status
        self.message = message
        self.body = body
    }

    /// The error as one JSON object: the server's, else one of the same shape.
    var json: JSONText {
        if let body, body.kind == .object, body["error"] != nil { return body }
        return .object([("error", .object([("message", .string(message))]))])
    }
}
