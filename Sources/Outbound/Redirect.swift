/// What follows from an answer that points elsewhere (RFC 9110, 15.4).
enum Redirect {
    /// The call that an answer asks for; nil where it asks for none.
    /// - Throws: ``OutboundError/Code/refused`` for a place that is no URL of http: or https:.
    static func next(
        after reply: HTTPReply, to call: HTTPCall, at url: WebURL
    ) throws(OutboundError) -> (call: HTTPCall, url: WebURL)? {
        guard [301, 302, 303, 307, 308].contains(reply.status), let place = reply.header("location"), !place.isEmpty
        else { return nil }
        guard let target = WebURL(place, relativeTo: url) else {
            throw OutboundError(.refused, "It redirects to what is no URL of http: or https:.")
        }
        var next = call
        next.url = target.text
        let becomesGet =
            reply.status == 303 && !["GET", "HEAD"].contains(call.method)
            || [301, 302].contains(reply.status) && call.method == "POST"
        if becomesGet {
            next.method = "GET"
            next.body = []
            next.headers.removeAll { $0.name.lowercased().hasPrefix("content-") }
        }
        if !target.hasSameOrigin(as: url) {
            // Any header may be a secret that was meant for the first host; these are none.
            next.headers.removeAll { !harmless.contains($0.name.lowercased()) }
        }
        return (next, target)
    }

    private static let harmless: Set<String> = [
        "accept", "accept-encoding", "accept-language", "content-encoding", "content-language", "content-type",
        "traceparent", "user-agent",
    ]
}
