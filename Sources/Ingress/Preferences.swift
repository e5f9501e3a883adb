import Core
import Database
import JobQueue

/// How a caller wants to be answered (contract.md §4, RFC 7240).
struct Preferences: Sendable {
    /// 202 at once.
    var isAsynchronous = false
    /// Whether the caller asked for that by `Prefer`, and is told that it was heard.
    var asksToRespondAsync = false
    /// How long to wait, in seconds; nil stands for the tenant's default.
    var wait: Double?
    /// When the job may start; nil for at once.
    var start: NewJob.Start?
    /// `Idempotency-Key`.
    var idempotencyKey: String?
    /// `X-Scriptorium-Priority`: the order within the tenant.
    var priority = 0

    /// How far ahead a start may lie: a year.
    static let furthestStart = Duration.seconds(365 * 86_400)
    static let longestKey = 255

    /// - Parameter settings: of the service that is called.
    /// - Throws: ``ServiceError`` 400 that names what is not understood, and what is.
    init(_ request: ServiceRequest, _ settings: ScriptSettings, now: Timestamp) throws(ServiceError) {
        for preference in (request.header("prefer") ?? "").split(separator: ",") {
            // Parameters behind `;` are none of ours.
            let parts = preference.prefix { $0 != ";" }.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = (parts.first ?? "").trimming { $0 == " " }.lowercased()
            if name == "respond-async" { asksToRespondAsync = true }
            if name == "wait" {
                let text = parts.count > 1 ? parts[1].trimming { $0 == " " || $0 == "\"" } : ""
                guard let seconds = Double(String(text)), seconds >= 0, seconds.isFinite else {
                    throw .badRequest(
                        "'Prefer: wait=\(text)' is not understood: give a number of seconds, such as wait=10.")
                }
                wait = seconds
            }
        }
        isAsynchronous = asksToRespondAsync || settings.isQueued || Self.hasAsyncParameter(request)
        start = try Self.start(request.query, now)
        guard start == nil || isAsynchronous else {
            throw .badRequest(
                "'delay' and 'run_at' need an asynchronous call: send 'Prefer: respond-async' with them, or async=true."
            )
        }
        // What the caller says of this call goes before what the author says of all.
        if settings.isQueued, start == nil, let seconds = settings.delaySeconds, seconds > 0 {
            start = .after(.seconds(seconds))
        }
        idempotencyKey = try Self.key(request)
        if let text = request.header("x-scriptorium-priority") {
            guard let number = Int(text), (-100...100).contains(number) else {
                throw .badRequest(
                    "'X-Scriptorium-Priority: \(text.prefix(40))' is not understood: give a whole number from -100 to 100."
                )
            }
            priority = number
        }
    }

    /// Whether a call of a service of the platform's own is to become a job.
    static func wantJob(_ request: ServiceRequest) -> Bool {
        guard request.service == "system", !request.isSession else { return false }
        let preferences = (request.header("prefer") ?? "").lowercased().split { $0 == "," || $0 == ";" }
        return preferences.contains { $0.trimming { $0 == " " } == "respond-async" } || hasAsyncParameter(request)
    }

    private static func hasAsyncParameter(_ request: ServiceRequest) -> Bool {
        Query.value("async", in: request.query).map { ["true", "1", ""].contains($0.lowercased()) } ?? false
    }

    private static func start(_ query: String, _ now: Timestamp) throws(ServiceError) -> NewJob.Start? {
        let delay = Query.value("delay", in: query)
        let runAt = Query.value("run_at", in: query)
        guard delay == nil || runAt == nil else {
            throw .badRequest("Give either 'delay' or 'run_at', not both.")
        }
        if let delay {
            guard let seconds = Double(delay), seconds >= 0, seconds <= Double(furthestStart.components.seconds) else {
                throw .badRequest(
                    "'delay=\(delay.prefix(40))' must be a number of seconds from 0 to 31536000 (a year).")
            }
            return seconds == 0 ? nil : .after(.seconds(seconds))
        }
        guard let runAt else { return nil }
        guard let moment = Timestamp(runAt) else {
            throw .badRequest(
                "'run_at=\(runAt.prefix(40))' must be a time in the form 2027-01-31T08:00:00Z or 2027-01-31T09:00:00+01:00"
                    + " (with + written as %2B).")
        }
        guard moment <= now + furthestStart else {
            throw .badRequest("'run_at=\(runAt.prefix(40))' is more than a year ahead.")
        }
        return .at(moment)
    }

    private static func key(_ request: ServiceRequest) throws(ServiceError) -> String? {
        let values = request.headers.filter { $0.name == "idempotency-key" }.map(\.value)
        guard let value = values.first else { return nil }
        let isVisible = value.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        guard values.count == 1, (1...longestKey).contains(value.utf8.count), isVisible else {
            throw .badRequest(
                "'Idempotency-Key' must be one header with 1 to \(longestKey) printable ASCII characters, such as a UUID."
            )
        }
        return value
    }
}
