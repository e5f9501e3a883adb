import Core

/// How a caller wants to be answered (contract.md §4, RFC 7240).
struct Preferences: Sendable {
    /// 202 at once.
    var isAsynchronous = false
    /// How long to wait, in seconds; nil stands for the tenant's default.
    var wait: Double?

    /// - Throws: ``ServiceError`` 400 for a `wait` that is no number of seconds.
    init(_ request: ServiceRequest) throws(ServiceError) {
        for preference in (request.header("prefer") ?? "").split(separator: ",") {
            // Parameters behind `;` are none of ours.
            let parts = preference.prefix { $0 != ";" }.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = (parts.first ?? "").trimming { $0 == " " }.lowercased()
            if name == "respond-async" { isAsynchronous = true }
            if name == "wait" {
                let text = parts.count > 1 ? parts[1].trimming { $0 == " " || $0 == "\"" } : ""
                guard let seconds = Double(String(text)), seconds >= 0, seconds.isFinite else {
                    throw .badRequest(
                        "'Prefer: wait=\(text)' is not understood: give a number of seconds, such as wait=10.")
                }
                wait = seconds
            }
        }
        if let text = Query.value("async", in: request.query) {
            isAsynchronous = isAsynchronous || ["true", "1", ""].contains(text.lowercased())
        }
    }
}
