import Core

/// Why a call of a script has no response of the script's own.
enum ScriptFailure: Error {
    /// It threw, did not parse, or its result is not JSON.
    case script(ScriptError)
    /// It set `event.exception`.
    case exception(JSONText)
    /// It returned an object with `error`.
    case returned(JSONText)
    case exit(Int32, String?)
    case limit(LimitHit)
    case violation(String)
    case cancelled
    case lost(String)
    /// A service of the platform's own could not answer.
    case service(ServiceError)

    var status: JobStatus {
        if case .cancelled = self { .cancelled } else { .failed }
    }

    /// Whether our own machinery failed, and not the script.
    var isLost: Bool {
        switch self {
        case .lost: true
        case .service(let error): error.status == 503
        default: false
        }
    }

    /// Whether nothing else of the attempt is of use.
    var endsAttempt: Bool {
        switch self {
        case .lost, .cancelled: true
        default: false
        }
    }

    /// The error as the caller sees it.
    var shown: ServiceError {
        switch self {
        case .script(let error):
            return ServiceError(
                Self.errorStatus(error.statusCode), Self.message(of: error), code: error.code,
                context: error.context.map { $0.kind == .object ? $0.members : [("script", $0)] } ?? [])
        case .exception(let value):
            guard value.kind == .object || value.kind == .array else {
                return ServiceError(500, Self.returnedMessage(value))
            }
            let status = Self.errorStatus(value["status_code"].flatMap(Self.number))
            let message = value["message"].flatMap { $0.isNull ? nil : $0.string ?? $0.text }
            return ServiceError(
                status, message ?? "Unknown scripting error.", code: value["code"].flatMap(Self.number),
                context: Self.limit(in: value["context"]).map { [("limit", .string($0))] } ?? [])
        case .returned(let error):
            return ServiceError(
                500, Self.returnedMessage(error),
                context: Self.limit(in: error["context"]).map { [("limit", .string($0))] } ?? [])
        case .exit(let code, let line):
            var detail = line.map { " \($0)" } ?? ""
            if detail.hasSuffix("out of memory") {
                detail += ". Its limit memory_bytes is probably reached: let the script hold less at once."
            }
            return ServiceError(500, "Executed command returned with error code: \(code)\(detail)")
        case .limit(let hit):
            let isTime = hit.key.hasSuffix("wall_seconds")
            let what = isTime ? "The script was stopped: it ran longer than" : "The script exceeded its limit of"
            return ServiceError(
                isTime ? 504 : 500, "\(what) \(hit.value) (\(hit.key)).", context: [("limit", .string(hit.key))])
        case .violation(let why):
            return ServiceError(500, "The script's process broke the protocol: \(why)")
        case .cancelled:
            return ServiceError(409, "The job was cancelled.")
        case .service(let error): return error
        case .lost:
            return ServiceError(503, "The script could not be run to its end. Try again.", retryAfter: 1)
        }
    }

    /// The job's `error` (contract.md §5).
    var json: JSONText {
        let shown = shown
        // Also one that fired in a call whose error the script passes on.
        let limit = Self.limit(in: .object(shown.context))
        var line: Int?
        var trace: [String] = []
        if case .script(let error) = self {
            line = error.line
            trace = error.trace
        }
        return JobOutcome.error(shown, limit: limit, line: line, trace: trace)
    }

    /// The quota that an error's context names as the one that fired.
    private static func limit(in context: JSONText?) -> String? {
        guard let key = context?["limit"]?.string, Quotas.keys.contains(key) else { return nil }
        return key
    }

    private static func message(of error: ScriptError) -> String {
        guard error.kind == .syntax else { return error.message }
        // The reference's text for a script that does not parse, then the cause and its place.
        let line = error.line.map { " (line \($0)\(error.column.map { ", column \($0)" } ?? ""))" } ?? ""
        return "Executed command returned with error code: 1 \(error.message)\(line)"
    }

    /// `message` of an object, else the value itself as the reference writes it; dreamfactory.md §2.1.
    private static func returnedMessage(_ error: JSONText) -> String {
        switch error.kind {
        case .object: error["message"].map { $0.string ?? $0.text } ?? "Internal Server Error"
        case .array: "Internal Server Error"
        case .bool: error.text == "true" ? "1" : ""
        case .string: error.string ?? ""
        case .number, .null: error.text
        }
    }

    private static func number(_ value: JSONText) -> Int? {
        value.integer ?? value.string.flatMap { Int($0) }
    }

    /// A status that an error can have; anything else is 500.
    private static func errorStatus(_ status: Int?) -> Int {
        guard let status, (400...599).contains(status) else { return 500 }
        return status
    }
}
