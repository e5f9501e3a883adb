import Outbound
import Testing

/// A server and a client of the test's own, both gone when `body` ends.
func withServer<Value>(
    maxConnections: Int = 256, _ answer: @escaping LoopbackServer.Answer,
    _ body: (LoopbackServer, HTTPClient) async throws -> Value
) async throws -> Value {
    let server = try LoopbackServer(answer)
    defer { server.stop() }
    return try await withClient(maxConnections: maxConnections) { try await body(server, $0) }
}

func withClient<Value>(
    maxConnections: Int = 256, _ body: (HTTPClient) async throws -> Value
) async throws -> Value {
    let client = HTTPClient(maxConnections: maxConnections)
    do {
        let value = try await body(client)
        await client.close()
        return value
    } catch {
        await client.close()
        throw error
    }
}

/// Answers with the request itself: its head and its body.
let echo: LoopbackServer.Answer = { request, connection in
    connection.reply(Array((request.head + ["", ""]).joined(separator: "\n").utf8) + request.body)
}

/// Says nothing for as long as the other side waits.
let silence: LoopbackServer.Answer = { _, connection in connection.waitForHangUp() }

/// The error that `send` throws.
func failure(
    of call: HTTPCall, by client: HTTPClient, sourceLocation: SourceLocation = #_sourceLocation
) async throws -> OutboundError {
    try #require(
        await #expect(throws: OutboundError.self, sourceLocation: sourceLocation) { try await client.send(call) },
        sourceLocation: sourceLocation)
}

/// Expects that `send` throws an error with this code.
func expect(
    _ code: OutboundError.Code, of call: HTTPCall, by client: HTTPClient,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let error = try await failure(of: call, by: client, sourceLocation: sourceLocation)
    #expect(error.code == code, sourceLocation: sourceLocation)
}

extension LoopbackServer {
    /// Waits until it has seen `wanted`, and drops what came before. The suite's time limit ends the wait.
    func sees(_ wanted: Event) async throws {
        let found = await events.first { $0 == wanted }
        try #require(found != nil, "the server stopped before it saw \(wanted)")
    }
}
