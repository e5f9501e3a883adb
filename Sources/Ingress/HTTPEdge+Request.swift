import Core
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

extension HTTPEdge {
    /// The path and the query of a request's target.
    static func split(_ target: String) -> (path: String, query: String) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts.first ?? ""), parts.count > 1 ? String(parts[1]) : "")
    }

    /// What the caller takes: `?accept=`, else the header.
    static func accept(of request: Request) -> String? {
        let asked = Query.value("accept", in: split(request.head.path ?? "").query)
        return asked.flatMap { $0.isEmpty ? nil : $0 } ?? request.headers[.accept]
    }

    /// - Throws: ``ServiceError`` 414 and 431.
    func checkSizes(_ request: Request) throws(ServiceError) {
        guard (request.head.path ?? "").utf8.count <= options.longestURI else { throw .tooLongURI(options) }
        let size = request.headers.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 4 }
        guard size <= options.largestHeaders else { throw .tooLargeHeaders(options) }
    }

    /// The request without its body.
    /// - Throws: ``ServiceError`` 405 for a method that services do not have.
    func serviceRequest(_ request: Request, _ path: String, _ query: String) throws(ServiceError) -> ServiceRequest {
        let verb = try VerbTunnel.verb(of: request, path, query)
        let segments = ServiceRequest.segments(of: path)
        // The host is a pseudo header in this representation, and a header to everybody else.
        var headers = request.head.authority.map { [(name: "host", value: $0)] } ?? []
        headers += request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
        return ServiceRequest(
            verb: verb, service: segments.first?.lowercased() ?? "",
            resource: segments.dropFirst().joined(separator: "/"), query: query, headers: headers)
    }

    /// - Throws: ``ServiceError`` 413, 503 when the process stops; ``ClientFault``.
    func body(of request: Request, limit: Int, _ context: EdgeContext) async throws -> [UInt8] {
        let limit = min(limit, options.largestBody)
        let tooLarge = ServiceError.tooLargeBody(limit)
        let announced = request.headers[.contentLength].flatMap { Int($0) }
        if let announced, announced > limit { throw tooLarge }
        if request.headers[.expect] != nil {
            try? await context.channel.triggerUserOutboundEvent(ConnectionGuard.WantsBody())
        }
        do {
            let buffer = try await request.body.collect(upTo: limit)
            // A connection that is ended from here looks like a body's end.
            guard !Task.isCancelled else {
                throw ServiceError(503, "This process is stopping. Send the request again.", retryAfter: 1)
            }
            guard announced == nil || announced == buffer.readableBytes else { throw ClientFault.disconnected }
            return Array(buffer.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch let error as ServiceError {
            throw error
        } catch let fault as ClientFault {
            throw fault
        } catch {
            throw ClientFault.disconnected
        }
    }

    /// A body that calls itself JSON must be JSON, and may hold no NUL.
    /// - Throws: ``ServiceError`` 400 with line and column.
    func checkBody(_ request: ServiceRequest) throws(ServiceError) {
        let type = request.header("content-type")?.prefix { $0 != ";" }.trimming { $0 == " " }.lowercased() ?? ""
        guard type.hasSuffix("/json") || type.hasSuffix("+json"), !request.body.isEmpty else { return }
        do {
            _ = try JSONText(checking: request.body, refusingNUL: true)
        } catch {
            throw .badRequest("The body is not valid JSON: \(error).")
        }
    }

    /// A body that is written as it comes, to its end or to the process's.
    private static func body(_ stream: AsyncThrowingStream<[UInt8], any Error>) -> ResponseBody {
        ResponseBody { writer in
            for try await piece in stream {
                if !piece.isEmpty { try await writer.write(ByteBuffer(bytes: piece)) }
                // The reader comes back, to another process, and says where it was.
                if Task.isShuttingDownGracefully { break }
            }
            try await writer.finish(nil)
        }
    }

    static func response(_ answer: ServiceResponse) -> Response {
        var fields = HTTPFields()
        for header in answer.headers {
            // The length is what the body has, whoever made the headers.
            guard let name = HTTPField.Name(header.name), name != .contentLength, name != .transferEncoding else {
                continue
            }
            fields.append(HTTPField(name: name, value: header.value))
        }
        return Response(
            status: HTTPResponse.Status(code: answer.status), headers: fields,
            body: answer.stream.map(body) ?? ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
    }
}

extension ServiceError {
    static func tooLargeBody(_ limit: Int) -> ServiceError {
        ServiceError(
            413, "The body is larger than this tenant's limit of \(limit) bytes (max_body_bytes).",
            context: [("limit", .string("max_body_bytes"))])
    }
}
