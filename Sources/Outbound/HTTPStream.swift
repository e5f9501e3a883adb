/// The answer to an ``HTTPCall`` whose body is still on its way.
public struct HTTPStream: Sendable {
    public let status: Int
    /// As ``HTTPReply/headers``.
    public let headers: [(name: String, value: String)]
    /// The body's pieces as they arrive. It ends with the body, and throws ``OutboundError`` where the connection breaks
    /// before. Whoever stops reading ends the transfer. What is not read is kept, up to ``HTTPCall/replyLimit`` in all.
    public let body: AsyncThrowingStream<[UInt8], any Error>

    /// The first value of a header, whatever the case of its name.
    public func header(_ name: String) -> String? {
        let name = name.lowercased()
        return headers.first { $0.name.lowercased() == name }?.value
    }
}

extension HTTPClient {
    /// Sends a request, and returns when the answer's head is there. The client must live as long as the body is read.
    ///
    /// ``HTTPCall/timeout`` counts to the last byte of the body, here as well.
    /// - Throws: ``OutboundError``
    public func stream(_ call: HTTPCall) async throws -> HTTPStream {
        let (body, pieces) = AsyncThrowingStream.makeStream(of: [UInt8].self)
        let head = try await begin(try Transfer(call, pieces: pieces), ending: pieces)
        return HTTPStream(status: head.status, headers: head.headers, body: body)
    }
}
