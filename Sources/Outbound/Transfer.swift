import CHost
import CLibCurl
import Synchronization

/// One call in libcurl's hands.
///
/// It is made by the caller, used by the loop's thread alone while it is under way, and ended once: hence unchecked.
final class Transfer: @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
    /// When its time is up.
    let deadline: ContinuousClock.Instant
    private let headerLines: UnsafeMutablePointer<curl_slist>?
    private let limit: Int
    private var receivedBytes = 0
    private var headerBytes = 0
    private let allowance: ByteAllowance?
    /// What it has of the allowance, until it has ended.
    private var allowedBytes = 0
    /// For the headers alone, those of interim answers included: each costs more to keep than its bytes.
    private static let headerLimit = 256 << 10
    private var reply = HTTPReply(status: 0, headers: [], body: [])
    /// Judges the addresses that are dialled; nil lets all be.
    private let addressGuard: AddressGuard?
    /// Why an address was not dialled.
    private var refusal: String?
    /// Where the body goes piece by piece; nil keeps it for the reply.
    private let pieces: AsyncThrowingStream<[UInt8], any Error>.Continuation?
    private let continuation = Mutex<CheckedContinuation<HTTPReply, any Error>?>(nil)

    /// libcurl keeps milliseconds in 32 bits.
    private static let longestTime = Duration.milliseconds(Int32.max)

    /// - Throws: ``OutboundError`` for a call that can not be sent as it is.
    init(
        _ call: HTTPCall, guardedBy addressGuard: AddressGuard? = nil,
        pieces: AsyncThrowingStream<[UInt8], any Error>.Continuation? = nil
    ) throws(OutboundError) {
        try call.check()
        self.addressGuard = addressGuard
        self.pieces = pieces
        guard let handle = curl_easy_init() else { throw OutboundError(.other, "libcurl has no handle to give.") }
        self.handle = handle
        headerLines = Self.lines(for: call).reduce(nil) { curl_slist_append($0, $1) }
        limit = call.replyLimit
        allowance = call.allowance
        deadline = ContinuousClock.now + min(call.timeout, Self.longestTime)
        let refused = (request(call) + surroundings() + connection(call.connection) + callbacks()).first {
            $0 != CURLE_OK
        }
        if let refused { throw OutboundError(refused) }
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headerLines)
    }

    func whenEnded(_ continuation: CheckedContinuation<HTTPReply, any Error>) {
        self.continuation.withLock { $0 = continuation }
    }

    func end(_ outcome: Result<HTTPReply, OutboundError>) {
        allowance?.give(allowedBytes)
        allowedBytes = 0
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(with: outcome.mapError { $0 })
        switch outcome {
        case .success: pieces?.finish()
        case .failure(let error): pieces?.finish(throwing: error)
        }
    }

    /// Gives the head away while the body is still coming.
    private func tellHead() {
        host_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &reply.status)
        // An interim answer: another head follows.
        guard reply.status >= 200 else { return }
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(returning: reply)
    }

    /// Limits it to the time that is left until its deadline.
    func limitTime() {
        let left = (deadline - .now) / .milliseconds(1)
        // Nought would be no limit.
        host_curl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(max(left, 1)))
    }

    /// What a transfer that libcurl has ended comes to.
    func outcome(_ result: CURLcode) -> Result<HTTPReply, OutboundError> {
        guard result == CURLE_OK else {
            // libcurl only knows that there was no connection.
            if let refusal, result == CURLE_COULDNT_CONNECT {
                return .failure(OutboundError(.refused, "It leads to \(refusal)."))
            }
            return .failure(OutboundError(result))
        }
        host_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &reply.status)
        return .success(reply)
    }
}

// What libcurl is asked to do.
extension Transfer {
    private static func lines(for call: HTTPCall) -> [String] {
        var lines = call.headers.map { name, value in
            // `Name;` is how libcurl is told of an empty value, which `Name:` would take away.
            value.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 } ? "\(name);" : "\(name): \(value)"
        }
        // No server makes the body wait, and libcurl's guess at a type, that of a form, is not sent.
        lines.append("Expect:")
        if !call.headers.contains(where: { $0.name.lowercased() == "content-type" }) { lines.append("Content-Type:") }
        return lines
    }

    private func request(_ call: HTTPCall) -> [CURLcode] {
        var set = [
            host_curl_set_text(handle, CURLOPT_URL, call.url),
            host_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, call.method),
            host_curl_set_headers(handle, headerLines),
        ]
        // RFC 9110, 8.6: these say how long their body is even where it is empty.
        if !call.body.isEmpty || ["POST", "PUT", "PATCH"].contains(call.method) {
            set.append(host_curl_set_large(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(call.body.count)))
            // The byte more is not sent: it gives an empty body an address too. libcurl copies.
            (call.body + [0]).withUnsafeBytes { bytes in
                let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
                set.append(host_curl_set_pointer(handle, CURLOPT_COPYPOSTFIELDS, start))
            }
        }
        if let encodings = call.decoding { set.append(host_curl_set_text(handle, CURLOPT_ACCEPT_ENCODING, encodings)) }
        if call.method == "HEAD" { set.append(host_curl_set_long(handle, CURLOPT_NOBODY, 1)) }
        return set
    }

    private func surroundings() -> [CURLcode] {
        [
            host_curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https"),
            // Empty, not absent: the environment's proxies do not count either.
            host_curl_set_text(handle, CURLOPT_PROXY, ""),
            host_curl_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)),
            host_curl_set_long(handle, CURLOPT_NOSIGNAL, 1),
            host_curl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0),
            // A call that ends while its host is looked up must not hold the thread, and so all others, until the
            // resolver gives up.
            host_curl_set_long(handle, CURLOPT_QUICK_EXIT, 1),
        ]
    }

    private func connection(_ wanted: HTTPCall.Connection) -> [CURLcode] {
        var set = [
            host_curl_set_long(handle, CURLOPT_SSL_VERIFYPEER, wanted.verifiesPeer ? 1 : 0),
            host_curl_set_long(handle, CURLOPT_SSL_VERIFYHOST, wanted.verifiesHost ? 2 : 0),
        ]
        if let timeout = wanted.timeout {
            let milliseconds = min(timeout, Self.longestTime) / .milliseconds(1)
            set.append(host_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Int(max(milliseconds, 1))))
        }
        if let version = wanted.oldestTLS {
            let number = version == .v1_3 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2
            set.append(host_curl_set_long(handle, CURLOPT_SSLVERSION, Int(number)))
        }
        if let version = wanted.ipVersion {
            let number = version == 4 ? CURL_IPRESOLVE_V4 : CURL_IPRESOLVE_V6
            set.append(host_curl_set_long(handle, CURLOPT_IPRESOLVE, Int(number)))
        }
        guard addressGuard != nil else { return set }
        return set + [
            // A connection that is used again is not judged again, and what one tenant has learnt or made (an address, a
            // TLS session that was not verified) is nobody else's.
            host_curl_set_long(handle, CURLOPT_FRESH_CONNECT, 1),
            host_curl_set_long(handle, CURLOPT_FORBID_REUSE, 1),
            host_curl_set_long(handle, CURLOPT_SSL_SESSIONID_CACHE, 0),
            host_curl_set_long(handle, CURLOPT_DNS_CACHE_TIMEOUT, 0),
            host_curl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, Unmanaged.passUnretained(self).toOpaque()),
            host_curl_set_open(handle) { context, _, address in
                guard let context, let address else { return CURL_SOCKET_BAD }
                let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                return transfer.permits(address) ? host_curl_socket(address) : CURL_SOCKET_BAD
            },
        ]
    }

    private func permits(_ address: UnsafePointer<curl_sockaddr>) -> Bool {
        var length = 0
        let bytes = host_curl_address(address, &length)
        guard let ip = IPAddress(network: UnsafeBufferPointer(start: bytes, count: bytes == nil ? 0 : length)) else {
            refusal = "what is no address of the Internet"
            return false
        }
        refusal = addressGuard?.refusal(of: ip) ?? refusal
        return addressGuard?.permits(ip) ?? true
    }

    private func callbacks() -> [CURLcode] {
        // The loop keeps this transfer for as long as libcurl may call back.
        let context = Unmanaged.passUnretained(self).toOpaque()
        return [
            host_curl_set_pointer(handle, CURLOPT_WRITEDATA, context),
            host_curl_set_pointer(handle, CURLOPT_HEADERDATA, context),
            host_curl_set_take(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                Transfer.take(bytes, size * count, context) { $0.takeBody($1) }
            },
            host_curl_set_take(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
                Transfer.take(bytes, size * count, context) { $0.takeHeader($1) }
            },
        ]
    }
}

// What libcurl brings.
extension Transfer {
    /// - Returns: `count`; any other number ends the transfer.
    private static func take(
        _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ context: UnsafeMutableRawPointer?,
        _ keep: (Transfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let context else { return -1 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        transfer.receivedBytes += count
        guard transfer.receivedBytes <= transfer.limit, transfer.allowance?.take(count) ?? true else { return -1 }
        if transfer.allowance != nil { transfer.allowedBytes += count }
        return keep(transfer, UnsafeRawBufferPointer(start: bytes, count: count)) ? count : -1
    }

    private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if let pieces { pieces.yield(Array(bytes)) } else { reply.body.append(contentsOf: bytes) }
        return true
    }

    private func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= Self.headerLimit else { return false }
        if line.starts(with: "HTTP/".utf8) {
            // A new head: what came before it was an interim answer.
            reply.headers = []
        } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
            // Bytes, not characters: a mark that joins the colon would hide it.
            let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d || $0 == 0x0a }
            let value = line[(colon + 1)...].drop(while: isSpace)
            let end = value.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? value.startIndex
            reply.headers.append(
                (
                    name: String(decoding: line[..<colon], as: UTF8.self),
                    value: String(decoding: value[..<end], as: UTF8.self)
                ))
        } else if pieces != nil {
            // The empty line.
            tellHead()
        }
        return true
    }
}
