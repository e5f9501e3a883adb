/// A service's answer, ready to be sent.
public struct ServiceResponse: Sendable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// A body that comes piece by piece, instead of ``body``. An empty piece only says that there is nothing yet.
    public var stream: AsyncThrowingStream<[UInt8], any Error>?

    public init(status: Int = 200, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A JSON answer.
    public static func json(
        _ json: JSONText, status: Int = 200, headers: [(name: String, value: String)] = []
    ) -> ServiceResponse {
        ServiceResponse(
            status: status, headers: [(name: "Content-Type", value: "application/json")] + headers,
            body: Array(json.text.utf8))
    }

    /// An error in the documented shape.
    public static func error(_ error: ServiceError) -> ServiceResponse {
        .json(error.json, status: error.status, headers: error.headers)
    }
}
