/// A client for calls that tenants cause. Each call is judged by its tenant's rules, address by address as they are dialled,
/// and has a connection of its own: libcurl asks no guard about a connection that it uses again.
///
/// It follows redirects itself, so that each place is judged anew and nobody else gets the headers of the first.
public final class GuardedClient: Sendable {
    private let client: HTTPClient

    /// - Parameter maxConnections: how many calls are under way at once; further ones wait.
    public init(maxConnections: Int = 1024) {
        client = HTTPClient(maxConnections: maxConnections)
    }

    /// Sends a request, and those that its answers redirect it to. ``HTTPCall/timeout`` counts for all of them.
    /// - Parameters:
    ///   - call: its URL is not read.
    ///   - redirects: how many are followed at most; nought gives a redirect itself as the answer.
    ///   - mayFollow: whether a redirect may lead there at all.
    /// - Returns: the last answer, and where it came from.
    /// - Throws: ``Failure``
    public func send(
        _ call: HTTPCall, to url: WebURL, under rules: EgressRules, redirects: Int,
        mayFollow: @Sendable (WebURL) -> Bool
    ) async throws(Failure) -> (reply: HTTPReply, url: WebURL) {
        let deadline = ContinuousClock.now + call.timeout
        var (call, url) = (call, url)
        call.url = url.text
        var followed = 0
        while true {
            do {
                let addressGuard = try rules.addressGuard(for: url)
                call.timeout = max(deadline - .now, .milliseconds(1))
                let reply = try await client.begin(try Transfer(call, guardedBy: addressGuard))
                guard redirects > 0, let next = try Redirect.next(after: reply, to: call, at: url) else {
                    return (reply, url)
                }
                guard followed < redirects else {
                    throw OutboundError(.refused, "It redirects more than \(redirects) times.")
                }
                guard mayFollow(next.url) else {
                    throw OutboundError(.refused, "It redirects to the installation itself.")
                }
                followed += 1
                (call, url) = next
            } catch {
                throw Failure(error: error as? OutboundError ?? OutboundError(.other, "The call failed."), url: url)
            }
        }
    }

    /// Why a call has no answer, and at which URL it ended.
    public struct Failure: Error, Sendable {
        public let error: OutboundError
        public let url: WebURL
    }
}
