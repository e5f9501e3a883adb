import CHost
import CLibCurl
import Synchronization

/// One call in libcurl's hands.
///
/// It is made by the caller, used by the client's thread alone while it is under way, and ended once: hence unchecked.
final class Transfer: @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
    private let headerList: UnsafeMutablePointer<curl_slist>?
    private let body: [UInt8]
    private var received = HTTPReply(status: 0, headers: [], body: [])
    private let continuation = Mutex<CheckedContinuation<HTTPReply, any Error>?>(nil)

    private static let largestReply = 64 << 20

    /// - Throws: ``OutboundError`` for headers that would break the request.
    init(_ call: HTTPCall) throws(OutboundError) {
        for header in call.headers where (header.name + header.value).utf8.contains(where: { $0 < 0x20 && $0 != 9 }) {
            throw OutboundError(code: .invalid, message: "The header '\(header.name)' holds a line break.")
        }
        guard let handle = curl_easy_init() else {
            throw OutboundError(code: .other, message: "libcurl has no handle to give.")
        }
        self.handle = handle
        body = call.body
        // `Name;` is how libcurl is told of an empty value; without Expect no server makes the body wait.
        let lines = call.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" } + ["Expect:"]
        headerList = lines.reduce(nil) { curl_slist_append($0, $1) }

        host_curl_set_text(handle, CURLOPT_URL, call.url)
        host_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, call.method)
        host_curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        host_curl_set_text(handle, CURLOPT_PROXY, "")
        host_curl_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        host_curl_set_long(handle, CURLOPT_NOSIGNAL, 1)
        host_curl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
        let milliseconds =
            call.timeout.components.seconds * 1000 + call.timeout.components.attoseconds / 1_000_000_000_000_000
        host_curl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(max(1, milliseconds)))
        host_curl_set_headers(handle, headerList)
        if call.method == "HEAD" { host_curl_set_long(handle, CURLOPT_NOBODY, 1) }
        if !body.isEmpty || ["POST", "PUT", "PATCH"].contains(call.method) {
            host_curl_set_large(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            // Copied: the handle keeps the bytes.
            body.withUnsafeBufferPointer { bytes in
                _ = host_curl_set_pointer(
                    handle, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            }
            if body.isEmpty { host_curl_set_text(handle, CURLOPT_COPYPOSTFIELDS, "") }
        }
        let context = Unmanaged.passUnretained(self).toOpaque()
        host_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        host_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        host_curl_set_take(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Transfer.take(bytes, size * count, context) { $0.takeBody($1) }
        }
        host_curl_set_take(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Transfer.take(bytes, size * count, context) { $0.takeHeader($1) }
        }
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headerList)
    }

    func whenEnded(_ continuation: CheckedContinuation<HTTPReply, any Error>) {
        self.continuation.withLock { $0 = continuation }
    }

    func end(_ outcome: Result<HTTPReply, OutboundError>) {
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(with: outcome.mapError { $0 })
    }

    /// What a transfer that libcurl has ended comes to.
    func outcome(_ result: CURLcode) -> Result<HTTPReply, OutboundError> {
        guard result == CURLE_OK else {
            let text = String(cString: curl_easy_strerror(result))
            switch result {
            case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST:
                return .failure(OutboundError(code: .couldNotConnect, message: "\(text)."))
            case CURLE_OPERATION_TIMEDOUT: return .failure(OutboundError(code: .timedOut, message: "\(text)."))
            case CURLE_WRITE_ERROR:
                return .failure(
                    OutboundError(code: .tooLarge, message: "The answer is larger than \(Self.largestReply) bytes."))
            default: return .failure(OutboundError(code: .other, message: "\(text)."))
            }
        }
        var status = 0
        host_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
        received.status = status
        return .success(received)
    }

    private static func take(
        _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ context: UnsafeMutableRawPointer?,
        _ taking: (Transfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        // Another number than was given ends the transfer.
        return taking(transfer, UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }

    private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard received.body.count + bytes.count <= Self.largestReply else { return false }
        received.body.append(contentsOf: bytes)
        return true
    }

    private func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // A new head: what came before it was an interim answer.
            received.headers = []
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].drop { $0.isWhitespace }
            received.headers.append(
                (name: String(line[..<colon]), value: String(value.prefix { !$0.isNewline })))
        }
        return true
    }
}
