import ArgumentParser

/// How the clients' verbs end, for scripts to tell.
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    case failed = 1
    case unreachable = 2
    case notYet = 3
    case notFound = 4
    case notAllowed = 5
    case conflict = 6
    case later = 7
    /// The argument parser's own.
    case usage = 64

    var summary: String {
        switch self {
        case .done: "done"
        case .failed: "the job or its script failed, or the call was refused"
        case .unreachable: "the installation can not be reached"
        case .notYet: "the job has not ended within the time given"
        case .notFound: "there is no such tenant, job or service"
        case .notAllowed: "the key, token or role does not allow it"
        case .conflict: "it exists already, or has ended already"
        case .later: "too many calls, or not available now: try again later"
        case .usage: "the command line is wrong"
        }
    }

    /// What an HTTP status comes to.
    init(httpStatus: Int) {
        self =
            switch httpStatus {
            case ..<400: .done
            case 401, 403: .notAllowed
            case 404, 410: .notFound
            case 409: .conflict
            case 429, 503: .later
            default: .failed
            }
    }

    /// What a job's final status comes to.
    init(jobStatus: String) { self = jobStatus == "succeeded" ? .done : .failed }

    var exitCode: ExitCode { ExitCode(rawValue) }

    /// The list as `--help` shows it.
    static let help = """
        EXIT CODES (of invoke, tenant, app, jobs and logs):
        \(allCases.map { "  \($0.rawValue < 10 ? " " : "")\($0.rawValue)  \($0.summary)" }.joined(separator: "\n"))
        """
}
