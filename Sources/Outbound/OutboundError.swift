import CLibCurl

/// Why an ``HTTPCall`` has no answer.
///
/// The description holds nothing of the call but the name of a header, so an operator may see it.
public struct OutboundError: Error, Sendable, Hashable, CustomStringConvertible {
    /// An open list of causes: new ones may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String
        private init(_ name: String) { description = name }

        /// The call could not be sent as it is; nothing was done.
        public static let invalid = Code("invalid")
        /// No such host, nobody listens there, or no secure connection came about; nothing was sent.
        public static let couldNotConnect = Code("couldNotConnect")
        /// The request may or may not have been served.
        public static let timedOut = Code("timedOut")
        /// The answer passed ``HTTPCall/replyLimit``.
        public static let tooLarge = Code("tooLarge")
        /// The task was cancelled, or the client closed; the request may or may not have been served.
        public static let cancelled = Code("cancelled")
        /// The connection broke, or what came over it is no whole HTTP answer; the request may have been served.
        public static let protocolError = Code("protocolError")
        /// An address that a tenant's call may not be dialled at, or a redirect that is not followed.
        public static let refused = Code("refused")
        public static let other = Code("other")
    }

    public let code: Code
    /// One sentence, without secrets.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}

extension OutboundError {
    /// What libcurl says of a transfer that failed.
    init(_ result: CURLcode) {
        let code: Code =
            switch result {
            case CURLE_URL_MALFORMAT, CURLE_BAD_FUNCTION_ARGUMENT: .invalid
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR,
                CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE:
                .couldNotConnect
            case CURLE_OPERATION_TIMEDOUT: .timedOut
            // Our callbacks refuse bytes for one reason only.
            case CURLE_WRITE_ERROR, CURLE_FILESIZE_EXCEEDED: .tooLarge
            // The scheme was checked before: an unsupported protocol is an answer in HTTP/0.9, or none in HTTP at all.
            case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE,
                CURLE_RECV_ERROR, CURLE_SEND_ERROR:
                .protocolError
            default: .other
            }
        self.init(
            code, code == .tooLarge ? "The answer is too large." : "\(String(cString: curl_easy_strerror(result))).")
    }

    /// What libcurl says of its loop.
    init(_ failure: CURLMcode) { self.init(.other, "\(String(cString: curl_multi_strerror(failure))).") }
}
