import Core
import NIOHTTP1

/// What a client did that makes its request unreadable. It is answered where somebody still listens, and is no error of ours.
struct ClientFault: Error, Sendable {
    let answer: ServiceError

    /// Bytes that are no HTTP/1 request, or no end of one.
    /// - Parameters:
    ///   - head: what has come of the head so far; nil where the fault lies in the body.
    static func unreadable(_ error: HTTPParserError, head: HeadProgress?, options: IngressOptions) -> ClientFault {
        ClientFault(answer: head.map { inHead(error, $0, options) } ?? inBody(error))
    }

    static func slowHead(_ limit: Duration) -> ClientFault {
        ClientFault(answer: ServiceError(408, "The request's headers were not complete within \(limit.shown)."))
    }

    static let slowBody = ClientFault(
        answer: ServiceError(408, "The body came too slowly. Send it again over a better connection."))

    /// The connection ended with the body unread. Nobody is there to read this.
    static let disconnected = ClientFault(answer: .badRequest("The connection ended before the body did."))

    static let noHost = ClientFault(
        answer: .badRequest("An HTTP/1.1 request must have exactly one 'Host' header. Send it."))

    private static func inHead(
        _ error: HTTPParserError, _ head: HeadProgress, _ options: IngressOptions
    ) -> ServiceError {
        switch error {
        case .headerOverflow where !head.hasRequestLine:
            return .tooLongURI(options)
        case .headerOverflow:
            return .tooLargeHeaders(options)
        case .invalidMethod:
            guard let method = head.method else { break }
            return ServiceError(501, "The method '\(method)' is not known here. Use GET, POST, PUT, PATCH or DELETE.")
        case .invalidVersion:
            return ServiceError(505, "This version of HTTP is not supported. Use HTTP/1.1.")
        // The parser has no name of its own for a transfer coding beside a length.
        case .unexpectedContentLength, .invalidContentLength, .unknown:
            return .badRequest(
                "The body's length is not clear. Send one 'Content-Length' or 'Transfer-Encoding: chunked', not both.")
        case .invalidHeaderToken:
            return .badRequest("A header has a character in it that is not allowed there.")
        case .invalidEOFState:
            return .badRequest("The connection ended in the middle of a request.")
        default: break
        }
        return .badRequest("This is not a valid HTTP/1.1 request.")
    }

    private static func inBody(_ error: HTTPParserError) -> ServiceError {
        switch error {
        case .invalidEOFState:
            .badRequest("The body ended before its announced end. Send all of it.")
        case .invalidChunkSize, .lfExpected, .strictModeAssertion:
            .badRequest("The chunks of the body are not valid (RFC 9112, section 7.1).")
        default:
            .badRequest(
                "The body can not be read: its 'Transfer-Encoding' is not 'chunked', or its chunks are not valid.")
        }
    }
}

extension ServiceError {
    static func tooLongURI(_ options: IngressOptions) -> ServiceError {
        ServiceError(
            414, "The path and query are longer than \(options.longestURI) bytes. Send long values in the body.")
    }

    static func tooLargeHeaders(_ options: IngressOptions) -> ServiceError {
        ServiceError(
            431, "The headers are larger than \(options.largestHeaders) bytes, or more than \(options.mostHeaders).")
    }
}

extension Duration {
    fileprivate var shown: String { "\(JSONText.number(seconds)) seconds" }
}
